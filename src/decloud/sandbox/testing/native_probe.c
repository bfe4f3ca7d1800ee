/* What the tests need a native program to do, chosen by MODE in the environment. */
#define _GNU_SOURCE
#include "probe_common.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int flood(int fd, long size) {
    static char block[65536];
    memset(block, 'x', sizeof block);
    for (long done = 0; size == 0 || done < size; done += (long)sizeof block) {
        if (write(fd, block, sizeof block) < 0) {
            return 5;
        }
    }
    return 0;
}

static int eat_memory(void) {
    for (;;) {
        char* block = malloc(1 << 20);
        if (!block) {
            return 7;
        }
        memset(block, 1, 1 << 20);
        __asm__ volatile("" : : "r"(block) : "memory");
    }
}

static int list(const char* path) {
    DIR* folder = opendir(path);
    if (!folder) {
        printf("%s: %s\n", path, strerror(errno));
        return 0;
    }
    struct dirent* entry;
    while ((entry = readdir(folder))) {
        printf("%s\n", entry->d_name);
    }
    return 0;
}

static void attempt(const char* what, long result) {
    printf("%s %s\n", what, result < 0 ? strerror(errno) : "ALLOWED");
}

static int try_everything(void) {
    static char stack[65536];
    attempt("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
    attempt("umount", umount2("/tmp", MNT_DETACH));
    attempt("unshare", unshare(CLONE_NEWUSER));
    attempt("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, stack + sizeof stack, 0, 0, 0));
    attempt("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
    attempt("bpf", syscall(SYS_bpf, 0, NULL, 0));
    attempt("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    attempt("userfaultfd", syscall(SYS_userfaultfd, 0));
    attempt("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    attempt("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    attempt("mknod", mknod("/tmp/mem", S_IFCHR | 0600, 0x101));
    attempt("chroot", chroot("/tmp"));
    attempt("setuid", setuid(0));
    attempt("write_root", open("/planted", O_WRONLY | O_CREAT, 0600));
    attempt("write_dev", open("/dev/planted", O_WRONLY | O_CREAT, 0600));
    attempt("inet", socket(AF_INET, SOCK_STREAM, 0));
    attempt("inet6", socket(AF_INET6, SOCK_DGRAM, 0));
    attempt("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    attempt("packet", socket(AF_PACKET, SOCK_RAW, 0));
    attempt("vsock", socket(40, SOCK_STREAM, 0));
    attempt("proc_sys", open("/proc/sys/kernel/hostname", O_RDONLY));
    attempt("kcore", open("/proc/kcore", O_RDONLY));
    attempt("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
    attempt("init_memory", open("/proc/1/mem", O_RDONLY));
    attempt("init_environ", open("/proc/1/environ", O_RDONLY));
    attempt("passwd", open("/etc/passwd", O_RDONLY));
    attempt("sys", open("/sys", O_RDONLY));
    return 0;
}

/* What the proxy of a way out says by itself, and whether anybody else is there. */
static int ask_proxy(void) {
    char address[64] = "";
    int port = 0;
    const char* proxy = getenv("http_proxy");
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (!proxy || sscanf(proxy, "http://%63[^:]:%d", address, &port) != 2) {
        puts("no proxy");
        return 0;
    }
    to.sin_port = htons((unsigned short)port);
    inet_pton(AF_INET, address, &to.sin_addr);
    const int out = socket(AF_INET, SOCK_STREAM, 0);
    char text[64] = "";
    if (connect(out, (struct sockaddr*)&to, sizeof to) || recv(out, text, sizeof text - 1, 0) < 0) {
        puts(strerror(errno));
        return 1;
    }
    printf("the proxy says %s\n", text);
    for (size_t i = 0; i < 3; ++i) {
        const char* const others[] = {"127.0.0.1", "10.0.0.1", "192.0.2.1"};
        to.sin_port = htons(80);
        inet_pton(AF_INET, others[i], &to.sin_addr);
        attempt(
            others[i], connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr*)&to, sizeof to));
    }
    return 0;
}

static int show_identity(void) {
    printf("uid %d euid %d gid %d pid %d\n", (int)getuid(), (int)geteuid(), (int)getgid(),
        (int)getpid());
    FILE* status = fopen("/proc/self/status", "r");
    char line[256];
    while (status && fgets(line, sizeof line, status)) {
        if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) ||
            !strncmp(line, "Seccomp:", 8)) {
            fputs(line, stdout);
        }
    }
    return 0;
}

static int show_descriptors(void) {
    for (int fd = 0; fd < 1024; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0) {
            printf("%d\n", fd);
        }
    }
    return 0;
}

static int fork_bomb(void) {
    long made = 0;
    for (int i = 0; i < 2000; ++i) {
        pid_t child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        if (child > 0) {
            ++made;
        }
    }
    printf("made %ld\n", made);
    return 0;
}

static int survivor(const char* tag) {
    /* Leaves a grandchild in a session of its own that would live for a minute. */
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            execl("/native_probe", tag, (char*)NULL);
            _exit(1);
        }
        _exit(0);
    }
    struct timespec time = {.tv_nsec = 50000000};
    nanosleep(&time, NULL);
    puts("left one");
    return 0;
}

static int fill_tmp(void) {
    long files = 0;
    long bytes = 0;
    char name[64];
    static char block[65536];
    for (;; ++files) {
        snprintf(name, sizeof name, "/tmp/f%ld", files);
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        if (fd < 0) {
            break;
        }
        close(fd);
    }
    unlink("/tmp/f0");
    int fd = open("/tmp/big", O_WRONLY | O_CREAT, 0600);
    ssize_t count;
    signal(SIGXFSZ, SIG_IGN);
    while ((count = write(fd, block, sizeof block)) > 0) {
        bytes += count;
    }
    printf("files %ld bytes %ld\n", files, bytes);
    return 0;
}

#if defined(__x86_64__)
static int foreign(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    printf("answered %ld\n", result);
    return 0;
}
#else
static int foreign(void) { return 64; }
#endif

int main(int count, char** arguments) {
    if (count > 0 && !strncmp(arguments[0], "survivor-", 9)) {
        sleep(60);
        return 0;
    }
    const char* mode = getenv("MODE");
    const char* argument = getenv("ARGUMENT");
    long number = argument ? strtol(argument, NULL, 10) : 0;
    int common = mode ? run_common(mode, number) : 64;
    if (common != kNotCommon) {
        return common;
    }
    if (!strcmp(mode, "env")) {
        show_environment();
        printf("arguments %d\n", count);
        return 0;
    }
    if (!strcmp(mode, "abort")) {
        abort();
    }
    if (!strcmp(mode, "spin")) {
        signal(SIGTERM, SIG_IGN);
        for (volatile long i = 0;; ++i) {
        }
    }
    if (!strcmp(mode, "sleep")) {
        sleep((unsigned)number);
        return 0;
    }
    if (!strcmp(mode, "memory")) {
        return eat_memory();
    }
    if (!strcmp(mode, "flood")) {
        return flood(1, number);
    }
    if (!strcmp(mode, "stderr_flood")) {
        int result = flood(2, number);
        fputs("the end\n", stderr);
        return result;
    }
    if (!strcmp(mode, "list")) {
        return list(argument ? argument : "/");
    }
    if (!strcmp(mode, "attempts")) {
        return try_everything();
    }
    if (!strcmp(mode, "proxy")) {
        return ask_proxy();
    }
    if (!strcmp(mode, "identity")) {
        return show_identity();
    }
    if (!strcmp(mode, "whoami")) {
        char folder[256] = "";
        printf("%d %d %s\n", (int)getuid(), (int)getgid(), getcwd(folder, sizeof folder));
        return 0;
    }
    if (!strcmp(mode, "descriptors")) {
        return show_descriptors();
    }
    if (!strcmp(mode, "forks")) {
        return fork_bomb();
    }
    if (!strcmp(mode, "survivor")) {
        return survivor(argument);
    }
    if (!strcmp(mode, "fill")) {
        return fill_tmp();
    }
    if (!strcmp(mode, "foreign")) {
        return foreign();
    }
    if (!strcmp(mode, "kill_all")) {
        kill(-1, SIGKILL);
        kill(1, SIGKILL);
        puts("alive");
        return 0;
    }
    if (!strcmp(mode, "leave")) {
        int fd = open("/tmp/mark", O_WRONLY | O_CREAT | O_EXCL, 0600);
        puts(fd < 0 ? "found" : "fresh");
        return 0;
    }
    return 64;
}
