#include "seccomp.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace decloud::sandbox::internal {

namespace {

/// Makes one system call in a child under a filter; the errno it got, 0, or −signal.
int try_call(SystemCalls list,
    long number,
    long first = 0,
    long second = 0,
    long third = 0,
    long fourth = 0) {
    const auto program = make_seccomp_program(list);
    EXPECT_TRUE(program) << program.error().message();
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (install_seccomp(*program) != 0) {
            ::_exit(250);
        }
        errno = 0;
        const long result = ::syscall(number, first, second, third, fourth, 0, 0);
        ::_exit(result < 0 ? errno : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Seccomp, LetsNeededCallsPass) {
    for (const auto list : {SystemCalls::wasm, SystemCalls::one_shot, SystemCalls::native}) {
        EXPECT_EQ(try_call(list, SYS_getpid), 0);
        EXPECT_EQ(try_call(list, SYS_gettid), 0);
    }
}

TEST(Seccomp, OurOwnWorkersGetNoSocketsFilesOrProcesses) {
    for (const auto list : {SystemCalls::wasm, SystemCalls::one_shot}) {
        EXPECT_EQ(try_call(list, SYS_socket, 1, 1), EPERM);
        EXPECT_EQ(try_call(list, SYS_execve), EPERM);
        EXPECT_EQ(try_call(list, SYS_fork), EPERM);
        EXPECT_EQ(try_call(list, SYS_ptrace), EPERM);
        EXPECT_EQ(try_call(list, SYS_kill, 1, 0), EPERM);
    }
    EXPECT_EQ(try_call(SystemCalls::wasm, SYS_openat), EPERM);
}

TEST(Seccomp, ProgramsWithAWayOutGetTcpAndNoOtherNetwork) {
    constexpr auto kList = SystemCalls::native_with_tcp;
    for (const long protocol : {0L, long{IPPROTO_TCP}}) {
        EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_STREAM, protocol), 0);
        EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol), 0);
    }
    EXPECT_EQ(try_call(kList, SYS_socket, AF_UNIX, SOCK_STREAM), 0);
    EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP), ENOSYS);
    EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_MPTCP), ENOSYS);
    EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_DGRAM), EPROTONOSUPPORT);
    EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP), EPROTONOSUPPORT);
    EXPECT_EQ(try_call(kList, SYS_socket, AF_INET, SOCK_SEQPACKET), ENOSYS);
    for (const int family : {AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH}) {
        EXPECT_EQ(try_call(kList, SYS_socket, family, SOCK_STREAM), EAFNOSUPPORT) << family;
        EXPECT_EQ(try_call(kList, SYS_socket, family, SOCK_RAW), EAFNOSUPPORT) << family;
    }
    EXPECT_EQ(try_call(kList, SYS_mount), EPERM);
}

TEST(Seccomp, NativeProgramsCannotAdministerTheKernel) {
    for (const long number : {SYS_mount, SYS_unshare, SYS_ptrace, SYS_bpf, SYS_keyctl,
             SYS_perf_event_open, SYS_setns, SYS_init_module, SYS_userfaultfd, SYS_chroot}) {
        EXPECT_EQ(try_call(SystemCalls::native, number), EPERM) << number;
    }
    EXPECT_EQ(try_call(SystemCalls::native, SYS_io_uring_setup), ENOSYS);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_clone3), ENOSYS);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_socket, 2, 1), EAFNOSUPPORT);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_socket, 1, 1), 0);
}

TEST(Seccomp, NativeProgramsTakeNothingThatTheHostsUserHasFewOf) {
    EXPECT_EQ(try_call(SystemCalls::native, SYS_inotify_init), EMFILE);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_inotify_init1), EMFILE);
}

TEST(Seccomp, ALimitForCoreDumpsCanBeReadAndNotChanged) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_CORE, &limit), 0);
    const auto place = reinterpret_cast<long>(&limit);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_setrlimit, RLIMIT_CORE, place), EPERM);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_prlimit64, 0, RLIMIT_CORE, place), EPERM);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_prlimit64, 0, RLIMIT_CORE, 0, place), 0);
    // The kernel looks at half of the argument only.
    EXPECT_NE(
        try_call(SystemCalls::native, SYS_setrlimit, (1L << 32) | long{RLIMIT_CORE}, place), 0);
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_setrlimit, RLIMIT_NOFILE, place), 0);
    EXPECT_EQ(try_call(SystemCalls::native, SYS_prlimit64, 0, RLIMIT_NOFILE, place), 0);
}

TEST(Seccomp, WasmWorkersMakeNoSocketsButConnectedPairs) {
    std::array<int, 2> pair{};
    const auto place = reinterpret_cast<long>(pair.data());
    EXPECT_EQ(
        try_call(SystemCalls::wasm, SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, place),
        0);
    EXPECT_EQ(try_call(SystemCalls::wasm, SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, place), EPERM);
    EXPECT_EQ(
        try_call(SystemCalls::one_shot, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, place), EPERM);
    for (const long family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
        EXPECT_EQ(try_call(SystemCalls::wasm, SYS_socket, family, SOCK_STREAM, 0), EPERM);
    }
}

#if defined(__x86_64__)
TEST(Seccomp, ForeignEntriesKill) {
    constexpr long kX32 = 0x40000000;
    EXPECT_EQ(try_call(SystemCalls::native, kX32 | SYS_getpid), -SIGSYS);
    EXPECT_EQ(try_call(SystemCalls::wasm, kX32 | SYS_getpid), -SIGSYS);
}
#endif

}  // namespace

}  // namespace decloud::sandbox::internal
