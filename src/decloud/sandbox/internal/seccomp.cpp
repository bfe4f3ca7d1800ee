#include "seccomp.hpp"

#include "fd.hpp"

#include <decloud/base/units.hpp>

#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <string>

namespace decloud::sandbox::internal {

namespace {

using Names = std::span<const char* const>;

/// What any C++ program of ours needs once it is running.
constexpr std::array kOwnCode{"brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close",
    "exit", "exit_group", "fcntl", "fstat", "fstatfs", "ftruncate", "futex", "getcpu", "getpid",
    "getrandom", "getrlimit", "getrusage", "gettid", "gettimeofday", "lseek", "madvise",
    "memfd_create", "mmap", "mprotect", "mremap", "munmap", "nanosleep", "newfstatat", "poll",
    "ppoll", "pread64", "prlimit64", "pwrite64", "read", "readv", "recvmsg", "restart_syscall",
    "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_yield", "sendmsg",
    "set_robust_list", "set_tid_address", "sigaltstack", "tgkill", "write", "writev"};

constexpr std::array kWasm{"epoll_create1", "epoll_ctl", "epoll_wait", "eventfd2", "pipe2",
    "pkey_alloc", "pkey_free", "pkey_mprotect", "recvfrom", "sendto", "shutdown"};

constexpr std::array kOneShot{
    "fchmod", "fchmodat", "fsync", "mkdirat", "open", "openat", "umask", "unlinkat"};

constexpr std::array kImage{"fchmod", "fchmodat", "fsync", "getdents64", "linkat", "mkdirat",
    "open", "openat", "readlinkat", "symlinkat", "umask", "unlinkat"};

/// What programs without network, kernel administration or debugging need. Path lookups are
/// harmless: there is nothing but the package.
constexpr std::array kNative{"accept", "accept4", "access", "alarm", "arch_prctl", "bind", "capget",
    "chdir", "chmod", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "close_range",
    "connect", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "execve",
    "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir",
    "fchmod", "fchmodat", "fchown", "fcntl", "fdatasync", "flock", "fork", "fstat", "fstatfs",
    "fsync", "ftruncate", "futex", "futex_waitv", "futimesat", "get_robust_list", "get_thread_area",
    "getcpu", "getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups",
    "getitimer", "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
    "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "getsockname",
    "getsockopt", "gettid", "gettimeofday", "getuid", "getxattr", "kill", "link", "linkat",
    "listen", "listxattr", "lseek", "lstat", "madvise", "membarrier", "memfd_create", "mincore",
    "mkdir", "mkdirat", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap", "msync",
    "munlock", "munlockall", "munmap", "nanosleep", "newfstatat", "open", "openat", "openat2",
    "pause", "pipe", "pipe2", "poll", "ppoll", "prctl", "pread64", "preadv", "preadv2", "pselect6",
    "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
    "recvfrom", "recvmmsg", "recvmsg", "rename", "renameat", "renameat2", "restart_syscall",
    "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
    "sched_yield", "select", "sendfile", "sendmmsg", "sendmsg", "sendto", "set_robust_list",
    "set_thread_area", "set_tid_address", "setitimer", "setpgid", "setpriority", "setsid",
    "setsockopt", "shutdown", "sigaltstack", "signalfd", "signalfd4", "splice", "stat", "statfs",
    "statx", "symlink", "symlinkat", "sync_file_range", "sysinfo", "tee", "tgkill", "time",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill", "truncate", "umask",
    "uname", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vfork", "vmsplice", "wait4",
    "waitid", "write", "writev"};

/// Denied with EPERM, which programs understand as "not for you". The rest gets ENOSYS, on which
/// C libraries fall back to older calls.
constexpr std::array kNativeRefused{"acct", "add_key", "bpf", "chroot", "delete_module",
    "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "ioperm", "iopl",
    "kcmp", "kexec_file_load", "kexec_load", "keyctl", "mknod", "mknodat", "mount", "mount_setattr",
    "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open",
    "pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev",
    "ptrace", "quotactl", "reboot", "request_key", "setdomainname", "setfsgid", "setfsuid",
    "setgid", "setgroups", "sethostname", "setns", "setregid", "setresgid", "setresuid", "setreuid",
    "setuid", "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd", "vhangup"};

constexpr std::uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                          CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                          CLONE_NEWNET;

class FilterBuilder {
  public:
    explicit FilterBuilder(std::uint32_t other_calls) : context_(seccomp_init(other_calls)) {
        check(context_ != nullptr ? 0 : -ENOMEM);
        if (context_) {
            check(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
            // A tree: the kernel walks the program once for each system call when it is installed.
            check(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
        }
    }

    void add(std::uint32_t action, Names names) {
        for (const char* name : names) {
            const int number = seccomp_syscall_resolve_name(name);
            // Names that this library or architecture does not have are not needed on it.
            if (number >= 0) {
                check(seccomp_rule_add_array(context_.get(), action, number, 0, nullptr));
            }
        }
    }
    void add(std::uint32_t action, int number, std::vector<scmp_arg_cmp> conditions) {
        check(seccomp_rule_add_array(context_.get(), action, number,
            static_cast<unsigned>(conditions.size()), conditions.data()));
    }

    [[nodiscard]] Result<SeccompProgram> finish() {
        if (error_ != 0) {
            return fail(CommonError::unavailable,
                "seccomp: " + errno_error("building the filter", -error_).message());
        }
        UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
        if (!file) {
            return fail(errno_error("memfd_create"));
        }
        const int exported = seccomp_export_bpf(context_.get(), file.get());
        if (exported != 0) {
            return fail(errno_error("seccomp_export_bpf", -exported));
        }
        TRY(const Bytes code, read_file_descriptor(file.get(), kMiB));
        SeccompProgram program(code.size() / sizeof(sock_filter));
        std::memcpy(program.data(), code.data(), program.size() * sizeof(sock_filter));
        return program;
    }

  private:
    struct Release {
        void operator()(scmp_filter_ctx context) const { seccomp_release(context); }
    };
    void check(int result) {
        if (result != 0 && error_ == 0) {
            error_ = result;
        }
    }
    std::unique_ptr<void, Release> context_;
    int error_ = 0;
};

scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

scmp_arg_cmp differs(unsigned argument, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_NE, .datum_a = value, .datum_b = 0};
}

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

/// Of socket's second argument, without its flags.
constexpr std::uint64_t kSocketTypes = 0xf;

/// Unix sockets, and nothing of TCP's kind but TCP itself.
void allow_tcp(FilterBuilder& filter) {
    for (const std::uint64_t protocol : {std::uint64_t{0}, std::uint64_t{IPPROTO_TCP}}) {
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socket),
            {equals(0, AF_INET), masked(1, kSocketTypes, SOCK_STREAM), equals(2, protocol)});
    }
    for (const std::uint64_t type : {SOCK_DGRAM, SOCK_RAW}) {
        filter.add(SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket),
            {equals(0, AF_INET), masked(1, kSocketTypes, type)});
    }
    for (std::uint64_t family = 0; family < AF_MAX; ++family) {
        if (family != AF_UNIX && family != AF_INET) {
            filter.add(SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), {equals(0, family)});
        }
    }
}

enum class Network : std::uint8_t { none, tcp };

Result<SeccompProgram> make_native(Network network) {
    FilterBuilder filter(SCMP_ACT_ERRNO(ENOSYS));
    filter.add(SCMP_ACT_ALLOW, kNative);
    filter.add(SCMP_ACT_ERRNO(EPERM), kNativeRefused);
    // Of these a user of the host has few, and the kernel counts those of sandboxes for the node's
    // user: as if he had used them up.
    filter.add(SCMP_ACT_ERRNO(EMFILE), std::array{"inotify_init", "inotify_init1"});
    // With its limit for core dumps a program would decide whether the host's handler is started.
    for (std::uint64_t resource = 0; resource < RLIM_NLIMITS; ++resource) {
        const bool is_core = resource == RLIMIT_CORE;
        const std::uint32_t action = is_core ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW;
        filter.add(action, SCMP_SYS(setrlimit), {equals(0, resource)});
        filter.add(action, SCMP_SYS(prlimit64), {equals(1, resource), differs(2, 0)});
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), {equals(1, resource), equals(2, 0)});
    }
    // clone3 hides its flags behind a pointer: the C library falls back to clone on ENOSYS.
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(clone), {masked(0, kNamespaceFlags, 0)});
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socketpair), {equals(0, AF_UNIX)});
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socket), {equals(0, AF_UNIX)});
    if (network == Network::tcp) {
        allow_tcp(filter);
    } else {
        filter.add(SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), {differs(0, AF_UNIX)});
    }
    for (const std::uint64_t request : {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX}) {
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {masked(1, 0xffffffff, request)});
    }
    return filter.finish();
}

Result<SeccompProgram> make_own(Names more, bool may_make_pairs = false) {
    FilterBuilder filter(SCMP_ACT_ERRNO(EPERM));
    filter.add(SCMP_ACT_ALLOW, kOwnCode);
    filter.add(SCMP_ACT_ALLOW, more);
#ifdef DECLOUD_SANITIZE
    // How UBSan finds out whether memory can be read.
    filter.add(SCMP_ACT_ALLOW, std::array{"pipe", "pipe2"});
#endif
    filter.add(SCMP_ACT_ERRNO(ENOSYS), std::array{"clone3"});
    // Threads only: no new process.
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(clone),
        {masked(0, kNamespaceFlags | CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM)});
    // Naming threads and memory, as allocators and thread libraries do; nothing else of prctl.
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), {equals(0, 15 /* PR_SET_NAME */)});
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), {equals(0, 0x53564d41 /* PR_SET_VMA */)});
    if (may_make_pairs) {
        // Streams only: a datagram socket could be sent to other addresses.
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socketpair),
            {equals(0, AF_UNIX), masked(1, kSocketTypes, SOCK_STREAM), equals(2, 0)});
    }
    return filter.finish();
}

}  // namespace

Result<SeccompProgram> make_seccomp_program(SystemCalls list) {
    switch (list) {
        case SystemCalls::wasm:
            return make_own(kWasm, true);
        case SystemCalls::one_shot:
            return make_own(kOneShot);
        case SystemCalls::image:
            return make_own(kImage);
        case SystemCalls::native:
            return make_native(Network::none);
        case SystemCalls::native_with_tcp:
            return make_native(Network::tcp);
    }
    return fail(CommonError::internal, "unknown list of system calls");
}

int install_seccomp(const SeccompProgram& program) {
    sock_fprog code{
        .len = static_cast<unsigned short>(program.size()),
        .filter = const_cast<sock_filter*>(program.data()),
    };
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) == 0 ? 0 : errno;
}

}  // namespace decloud::sandbox::internal
