/* Reaches for the kernel and for what is the host's. */
#define _GNU_SOURCE
#include "hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void open_all(const char* const* names, int flags) {
    for (; *names; ++names) {
        attempt(*names, open(*names, flags));
    }
}

static void write_to(const char* name, const char* text) {
    const int file = open(name, O_WRONLY);
    attempt(name, write(file, text, strlen(text)));
}

static void read_host(void) {
    static const char* const kRead[] = {"/proc/sys/kernel/hostname", "/proc/kcore", "/proc/keys",
        "/proc/kallsyms", "/proc/cpuinfo", "/proc/net/tcp", "/proc/sysvipc/shm", "/proc/cmdline",
        "/sys/kernel", "/sys/fs/cgroup", "/etc/passwd", "/root", "/home", "/var", "/run",
        "/usr/bin", NULL};
    static const char* const kWrite[] = {"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
        "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent", "/sys/kernel/uevent_helper",
        "/dev/planted", "/planted", NULL};
    open_all(kRead, O_RDONLY);
    open_all(kWrite, O_WRONLY | O_CREAT);
    attempt("climb", open("/../../../../../../etc/passwd", O_RDONLY));
    attempt("climb by a link", open("/proc/self/root/../etc/passwd", O_RDONLY));
    write_to("/proc/self/oom_score_adj", "-1000");
    write_to("/proc/self/uid_map", "0 0 1");
    write_to("/proc/self/gid_map", "0 0 1");
    write_to("/proc/self/setgroups", "allow");
}

/* The token backwards: itself it is in our own environment. */
static char needle[128];

static int look_into(const char* path, const struct stat* status, int kind, struct FTW* place) {
    static char text[1 << 20];
    (void)status;
    (void)place;
    const int file = kind == FTW_F ? open(path, O_RDONLY | O_NONBLOCK) : -1;
    const ssize_t size =
        file < 0 || !strncmp(path, "/dev/", 5) ? -1 : read(file, text, sizeof text);
    close(file);
    if (size > 0 && memmem(text, (size_t)size, needle, strlen(needle))) {
        fprintf(out, "%s ALLOWED\n", path);
    }
    return 0;
}

static void scan(void) {
    const size_t size = strlen(token);
    for (size_t i = 0; i < size && i < sizeof needle - 1; ++i) {
        needle[i] = token[size - 1 - i];
    }
    nftw("/", look_into, 16, FTW_PHYS);
    memset(needle, 0, sizeof needle);
}

static void devices(void) {
    static const char* const kNames[] = {"/dev/mem", "/dev/kmem", "/dev/kvm", "/dev/fuse",
        "/dev/net/tun", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/loop-control", "/dev/ptmx",
        "/dev/tty", "/dev/console", NULL};
    open_all(kNames, O_RDWR);
    attempt("mknod", mknod("/tmp/mem", S_IFCHR | 0600, 0x101));
    attempt("mknod block", mknod("/tmp/disk", S_IFBLK | 0600, 0x800));
    attempt("mknod null", mknod("/tmp/null", S_IFCHR | 0600, 0x103));
}

static void mounts(void) {
    attempt("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
    attempt("bind", mount("/", "/tmp", NULL, MS_BIND, NULL));
    attempt("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    attempt("proc", mount("proc", "/tmp", "proc", 0, NULL));
    attempt("cgroup", mount("cgroup", "/tmp", "cgroup", 0, "memory"));
    attempt("cgroup2", mount("cgroup2", "/tmp", "cgroup2", 0, NULL));
    attempt("umount", umount2("/tmp", MNT_DETACH));
    attempt("umount proc", umount2("/proc", MNT_DETACH));
    attempt("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    attempt("chroot", chroot("/tmp"));
    attempt("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    attempt("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    attempt("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0));
    attempt("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0));
}

static void namespaces(void) {
    static const int kFlags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID,
        CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_FS | CLONE_NEWUSER};
    char name[32];
    for (size_t i = 0; i < sizeof kFlags / sizeof *kFlags; ++i) {
        snprintf(name, sizeof name, "unshare %x", (unsigned)kFlags[i]);
        attempt(name, unshare(kFlags[i]));
        snprintf(name, sizeof name, "clone %x", (unsigned)kFlags[i]);
        const long child = syscall(SYS_clone, (unsigned long)kFlags[i] | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            _exit(0);
        }
        attempt(name, child);
    }
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        _exit(0);
    }
    attempt("clone3", child);
    const int other = open("/proc/1/ns/net", O_RDONLY);
    attempt("setns", setns(other, 0));
    attempt("sethostname", sethostname("hostile", 7));
}

static void try_connect(const char* name, const char* host, int port, int type) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    const int client = socket(AF_INET, type, 0);
    attempt(
        name, client < 0 ? client : connect(client, (struct sockaddr*)&address, sizeof address));
}

/* The token ends with the port of the node. */
static void network(void) {
    const char* dash = strrchr(token, '-');
    try_connect("node", "127.0.0.1", dash ? atoi(dash + 1) : 80, SOCK_STREAM);
    try_connect("metadata", "169.254.169.254", 80, SOCK_STREAM);
    try_connect("private", "10.0.0.1", 443, SOCK_STREAM);
    try_connect("name server", "8.8.8.8", 53, SOCK_DGRAM);
}

static void sockets(void) {
    char name[32];
    for (int family = 0; family < 46; ++family) {
        if (family == AF_UNIX) {
            continue;
        }
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; ++type) {
            snprintf(name, sizeof name, "socket %d %d", family, type);
            attempt(name, socket(family, type, 0));
        }
    }
    int pair[2];
    attempt("socketpair", socketpair(AF_INET, SOCK_STREAM, 0, pair));
}

static void kernel(void) {
    char memory[256] = "";
    attempt("io_uring_setup", syscall(SYS_io_uring_setup, 1, memory));
    attempt("userfaultfd", syscall(SYS_userfaultfd, 1));
    attempt("bpf", syscall(SYS_bpf, 0, memory, sizeof memory));
    attempt("perf_event_open", syscall(SYS_perf_event_open, memory, 0, -1, -1, 0));
    attempt("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
    attempt("add_key", syscall(SYS_add_key, "user", token, "x", 1, KEY_SPEC_PROCESS_KEYRING));
    attempt("request_key", syscall(SYS_request_key, "user", token, NULL, 0));
    attempt("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    attempt("init_module", syscall(SYS_init_module, memory, 0, ""));
    attempt("finit_module", syscall(SYS_finit_module, 0, "", 0));
    attempt("delete_module", syscall(SYS_delete_module, "loop", 0));
    attempt("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, memory, 0));
    attempt("syslog", syscall(SYS_syslog, 3, memory, sizeof memory));
    attempt("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
    attempt("swapon", syscall(SYS_swapon, "/tmp/x", 0));
    attempt("acct", syscall(SYS_acct, NULL));
    attempt("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
    attempt("iopl", syscall(SYS_iopl, 3));
    attempt("modify_ldt", syscall(SYS_modify_ldt, 0, memory, sizeof memory));
    attempt("personality", syscall(SYS_personality, 0xffffffff));
    attempt("settimeofday", syscall(SYS_settimeofday, NULL, memory));
    attempt("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, memory, 0));
    attempt("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    attempt("seccomp", syscall(SYS_seccomp, 2, 0, memory));
    attempt("landlock", syscall(444, memory, 8, 0));
    attempt("memfd_secret", syscall(447, 0));
    attempt("TIOCSTI", ioctl(0, TIOCSTI, "x"));
    attempt("TIOCLINUX", ioctl(0, TIOCLINUX, memory));
    attempt("setxattr", syscall(SYS_setxattr, "/tmp", "user.x", "x", 1, 0));
}

static void privileges(void) {
    struct rlimit core = {0, 0};
    attempt("setuid", setuid(0));
    attempt("setgid", setgid(0));
    attempt("setgroups", syscall(SYS_setgroups, 0, NULL));
    attempt("setfsuid", syscall(SYS_setfsuid, 0));
    attempt("securebits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    attempt("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
    attempt("keep capabilities", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) | setuid(0));
    attempt("new privileges", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    attempt("core limit", setrlimit(RLIMIT_CORE, &core));
    attempt("chown", fchownat(AT_FDCWD, "/tmp", 0, 0, 0));
    fflush(out);
    /* A program with the bit that makes it root's. */
    if (fork() == 0) {
        dup2(fileno(out), 1);
        execl("/setuid", "setuid", (char*)NULL);
        _exit(0);
    }
    wait(NULL);
}

#if defined(__x86_64__)
static void foreign(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    fprintf(out, "ALLOWED: answered %ld\n", result);
}

static void foreign_x32(void) {
    fprintf(out, "ALLOWED: answered %ld\n", syscall(0x40000000L | SYS_getpid));
}
#else
static void foreign(void) { abort(); }
static void foreign_x32(void) { abort(); }
#endif

const struct check kHostChecks[] = {{"read_host", read_host}, {"scan", scan}, {"devices", devices},
    {"mounts", mounts}, {"namespaces", namespaces}, {"network", network}, {"sockets", sockets},
    {"kernel", kernel}, {"privileges", privileges}, {"foreign", foreign},
    {"foreign_x32", foreign_x32}, {NULL, NULL}};
