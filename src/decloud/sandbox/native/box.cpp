#include "box.hpp"

#include "../internal/confine.hpp"
#include "../internal/weak_layers.hpp"
#include "mounts.hpp"
#include "way_out.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace decloud::sandbox::native {

using internal::UniqueFd;

namespace {

/// The descriptors of a `run`, in this order.
enum Descriptor : std::size_t { input, output, error, package, count, listener = count };

/// Where a server finds its listening socket.
constexpr int kListener = 3;
/// The control socket moves out of its way.
constexpr int kControl = 16;
/// A core dump of this size is none, also where the host hands dumps to a program of its own: that
/// one is started for any other limit, also for 0.
constexpr std::uint64_t kNoCoreDump = 1;
/// Queued signals and timers. The kernel counts them for the node's user too, whom all sandboxes
/// together must not bring to his own limit.
constexpr std::uint64_t kPendingSignals = 256;
/// Of what is told of a failure: the launcher reads no more than 8 KiB.
constexpr std::size_t kMostText = 2000;

[[noreturn]] void report(int control, MessageKind kind, std::string_view text) {
    static_cast<void>(
        internal::send_message(control, encode_text(kind, text.substr(0, kMostText)), {}, 0));
    ::_exit(1);
}

[[noreturn]] void report_failure(int control, const Error& error) {
    report(control, MessageKind::failed, error.message());
}

Error from_errno(std::string_view what) { return errno_error(what); }

Result<void> take_user() {
    // The map makes this the user that the launcher chose; capabilities of the namespace stay until
    // the program starts.
    if (::setresgid(kInnerUser, kInnerUser, kInnerUser) != 0 ||
        ::setresuid(kInnerUser, kInnerUser, kInnerUser) != 0) {
        return fail(from_errno("changing the user"));
    }
    // Changing the user cleared it.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0) {
        return fail(from_errno("prctl"));
    }
    if (::unshare(CLONE_NEWCGROUP) != 0) {
        return fail(from_errno("unshare"));
    }
    return {};
}

void wait_for_go(int control) {
    std::uint8_t byte = 0;
    ssize_t got = 0;
    do {
        got = ::recv(control, &byte, 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        ::_exit(0);
    }
}

/// The program's process; what `pass_on` may read.
volatile pid_t program_process = 0;

void pass_on(int signal) { ::kill(program_process, signal); }

/// Reaps whatever ends until it is the program, ends the rest, and reports.
[[noreturn]] void watch_over(int control, pid_t program) {
    program_process = program;
    struct sigaction action{};
    action.sa_handler = pass_on;
    ::sigaction(SIGTERM, &action, nullptr);
    siginfo_t info{};
    while (true) {
        if (::waitid(P_ALL, 0, &info, WEXITED) != 0) {
            if (errno == EINTR) {
                continue;
            }
            ::_exit(1);
        }
        if (info.si_pid == program) {
            break;
        }
    }
    // Whatever it left running goes now, so that all is over when the end is reported.
    ::kill(-1, SIGKILL);
    siginfo_t other{};
    while (::waitid(P_ALL, 0, &other, WEXITED) == 0 || errno == EINTR) {
    }
    rusage used{};
    ::getrusage(RUSAGE_CHILDREN, &used);
    const auto microseconds = [](const timeval& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000U +
               static_cast<std::uint64_t>(time.tv_usec);
    };
    internal::WireWriter writer;
    writer.put(MessageKind::ended);
    writer.put(static_cast<std::int32_t>(info.si_code));
    writer.put(static_cast<std::int32_t>(info.si_status));
    writer.put(microseconds(used.ru_utime) + microseconds(used.ru_stime));
    writer.put(static_cast<std::uint64_t>(used.ru_maxrss) * 1024U);
    static_cast<void>(internal::send_message(control, writer.bytes(), {}, 0));
    ::_exit(0);
}

int set_limit(__rlimit_resource resource, std::uint64_t value) {
    const rlimit limit{.rlim_cur = value, .rlim_max = value};
    return ::setrlimit(resource, &limit);
}

Result<void> set_limits(const RunNumbers& numbers, bool use_resource_limits) {
    int failed = set_limit(RLIMIT_CORE, kNoCoreDump) | set_limit(RLIMIT_NOFILE, numbers.files) |
                 set_limit(RLIMIT_FSIZE, numbers.tmp_bytes) | set_limit(RLIMIT_MSGQUEUE, 0) |
                 set_limit(RLIMIT_MEMLOCK, 64 * 1024) | set_limit(RLIMIT_NICE, 0) |
                 set_limit(RLIMIT_RTPRIO, 0) | set_limit(RLIMIT_SIGPENDING, kPendingSignals);
    if (use_resource_limits) {
        failed |=
            set_limit(RLIMIT_AS, numbers.memory_bytes) | set_limit(RLIMIT_NPROC, numbers.pids + 1);
    }
    if (failed != 0) {
        return fail(from_errno("setrlimit"));
    }
    return {};
}

std::vector<char*> pointers_into(std::string& text) {
    std::vector<char*> pointers;
    for (std::size_t start = 0; start < text.size(); start = text.find('\0', start) + 1) {
        pointers.push_back(text.data() + start);
    }
    pointers.push_back(nullptr);
    return pointers;
}

Result<void> take_standard_descriptors(std::span<UniqueFd> fds) {
    for (std::size_t i = input; i <= error; ++i) {
        if (::dup2(fds[i].get(), static_cast<int>(i)) < 0) {
            return fail(from_errno("dup2"));
        }
    }
    const bool serves = fds.size() > listener;
    if (serves && ::dup2(fds[listener].get(), kListener) < 0) {
        return fail(from_errno("dup2"));
    }
    // The control socket too goes when the program starts.
    if (::close_range(serves ? kListener + 1 : kListener, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        return fail(from_errno("close_range"));
    }
    return {};
}

/// Of the sandbox's users the one that the program wants.
Result<void> become_user(const BoxSettings& settings, const RunNumbers& numbers) {
    const bool is_it = numbers.user == kInnerUser && numbers.group == kInnerUser;
    if (is_it || settings.one_user) {
        return {};
    }
    if (::setresgid(numbers.group, numbers.group, numbers.group) != 0 ||
        ::setresuid(numbers.user, numbers.user, numbers.user) != 0) {
        return fail(from_errno("changing the user"));
    }
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return fail(from_errno("prctl"));
    }
    return {};
}

/// As execvp, but with the environment that the program gets.
void start_program(char* const* arguments, char* const* environment) {
    const std::string_view name(arguments[0]);
    if (name.find('/') != std::string_view::npos) {
        ::execve(arguments[0], arguments, environment);
        return;
    }
    std::string_view path;
    for (char* const* variable = environment; *variable != nullptr; ++variable) {
        if (const std::string_view text(*variable); text.starts_with("PATH=")) {
            path = text.substr(5);
        }
    }
    errno = ENOENT;
    while (!path.empty()) {
        const std::size_t colon = path.find(':');
        const std::string file = std::string(path.substr(0, colon)) + "/" + std::string(name);
        path = colon == std::string_view::npos ? std::string_view() : path.substr(colon + 1);
        ::execve(file.c_str(), arguments, environment);
        if (errno != ENOENT && errno != ENOTDIR) {
            return;
        }
    }
}

Result<void> give_up_everything(const BoxSettings& settings, const RunNumbers& numbers) {
    if (!internal::is_left_out("no_new_privs") && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail(from_errno("no_new_privs"));
    }
    if (const int failed = internal::clear_capabilities(); failed != 0) {
        return fail(errno_error("dropping capabilities", failed));
    }
    const internal::SeccompProgram* filter =
        numbers.has_way_out != 0 ? settings.seccomp_with_tcp : settings.seccomp;
    if (filter != nullptr) {
        if (const int failed = internal::install_seccomp(*filter); failed != 0) {
            return fail(errno_error("seccomp", failed));
        }
    }
    return {};
}

Result<void> contain(
    const BoxSettings& settings, const RunRequest& request, std::vector<UniqueFd>& fds, int proc) {
    if (request.numbers.has_way_out != 0) {
        TRY_VOID(send_proxy_listener(fds.back().get()));
        fds.pop_back();
    }
    TRY_VOID(enter_root(
        fds[package].get(), proc, request.numbers.tmp_bytes, request.numbers.tmp_inodes));
    TRY_VOID(take_standard_descriptors(fds));
    if (::setsid() < 0) {
        return fail(from_errno("setsid"));
    }
    if (!internal::is_left_out("limits")) {
        TRY_VOID(set_limits(request.numbers, settings.use_resource_limits));
    }
    TRY_VOID(become_user(settings, request.numbers));
    return give_up_everything(settings, request.numbers);
}

}  // namespace

void run_boxed(const BoxSettings& given, int proc_mount) {
    BoxSettings settings = given;
    settings.control = ::fcntl(given.control, F_DUPFD_CLOEXEC, kControl);
    // Not cleared: only the pages that the message needs are touched.
    const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(internal::kMaximumMessage);
    auto message = internal::receive_message(
        settings.control, std::span(buffer.get(), internal::kMaximumMessage), 0);
    if (!message || message->data.empty()) {
        ::_exit(0);
    }
    auto request = parse_run(message->data);
    const std::size_t least =
        Descriptor::count + (request && request->numbers.has_way_out != 0 ? 1 : 0);
    if (!request || message->fds.size() < least || message->fds.size() > least + 1) {
        report(settings.control, MessageKind::failed, "a request that makes no sense");
    }
    auto environment = pointers_into(request->environment);
    auto arguments = pointers_into(request->arguments);
    if (arguments.front() == nullptr) {
        report(settings.control, MessageKind::failed, "a request that makes no sense");
    }
    const auto contained = contain(settings, *request, message->fds, proc_mount);
    if (!contained) {
        report_failure(settings.control, contained.error());
    }
    ::umask(022);
    // The launcher ignores it, and what is ignored stays so in a new program.
    ::signal(SIGPIPE, SIG_DFL);
    if (::chdir(request->folder.c_str()) != 0) {
        report(settings.control, MessageKind::unstartable,
            fmt::format("the working directory {}: {}", request->folder, std::strerror(errno)));
    }
    start_program(arguments.data(), environment.data());
    const int failure = errno;
    report(settings.control, MessageKind::unstartable,
        fmt::format("{} cannot be started: {} (it must be a static program for this processor, or "
                    "bring its loader and libraries)",
            arguments.front(), std::strerror(failure)));
}

namespace {

struct Start {
    BoxSettings settings;
    int proc_mount = -1;
};

[[noreturn]] void child_main(const Start& start) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_boxed(start.settings, start.proc_mount);
}

#ifdef DECLOUD_SANITIZE

pid_t start_child(const Start& start) {
    const pid_t child = ::fork();
    if (child == 0) {
        child_main(start);
    }
    return child;
}

#else

constexpr std::size_t kStackBytes = std::size_t{512} * 1024;

/// Shares our memory until it becomes the program, which spares two copies of it. We only wait
/// meanwhile, and touch nothing that it uses: no allocation, no errno that matters.
pid_t start_child(const Start& start) {
    void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        return -1;
    }
    const auto entry = [](void* argument) -> int {
        child_main(*static_cast<const Start*>(argument));
    };
    return ::clone(entry, static_cast<std::uint8_t*>(stack) + kStackBytes, CLONE_VM | SIGCHLD,
        const_cast<Start*>(&start));
}

#endif

}  // namespace

void box_main(const BoxSettings& settings) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    wait_for_go(settings.control);
    if (const auto taken = take_user(); !taken) {
        report_failure(settings.control, taken.error());
    }
    auto proc = prepare_mounts();
    if (!proc) {
        report_failure(settings.control, proc.error());
    }
    if (!internal::is_left_out("capabilities")) {
        internal::drop_capability_bounds();
    }
    const Bytes prepared = encode_text(MessageKind::prepared, "");
    const Start start{.settings = settings, .proc_mount = proc->get()};
    const pid_t program = start_child(start);
    if (program < 0) {
        report_failure(settings.control, from_errno("clone"));
    }
    ::close(proc->release());
    static_cast<void>(internal::send_message(settings.control, prepared, {}, 0));
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // The program may be of another user; all that can be signalled is in this sandbox.
    static_cast<void>(internal::keep_capability_to_kill());
    watch_over(settings.control, program);
}

}  // namespace decloud::sandbox::native
