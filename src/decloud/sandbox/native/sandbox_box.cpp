#include "sandbox_box.hpp"

#include "../internal/confine.hpp"
#include "../internal/process.hpp"
#include "../internal/weak_layers.hpp"
#include "mounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace decloud::sandbox::native {

using internal::UniqueFd;

namespace {

constexpr std::uint64_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

/// Users and groups that a sandbox has.
constexpr std::uint32_t kInnerUsers = 65'536;

pid_t clone_with_namespaces(int& pidfd) {
    clone_args arguments{};
    arguments.flags = kNamespaces | CLONE_PIDFD;
    if (internal::is_left_out("network")) {
        arguments.flags &= ~std::uint64_t{CLONE_NEWNET};
    }
    if (internal::is_left_out("ipc")) {
        arguments.flags &= ~std::uint64_t{CLONE_NEWIPC};
    }
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

Result<void> write_process_file(pid_t pid, const char* name, std::string_view text) {
    const std::string path = fmt::format("/proc/{}/{}", pid, name);
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) < 0) {
        return fail(errno_error(path));
    }
    return {};
}

}  // namespace

Result<SandboxBox> SandboxBox::make(const Settings& settings, std::uint32_t number) {
    TRY(auto sockets, internal::make_socket_pair());
    SandboxBox box;
    auto cgroup = settings.cgroups.take();
    if (!cgroup) {
        return fail(CommonError::unavailable, "cgroup: " + cgroup.error().message());
    }
    box.cgroup_ = std::move(*cgroup);
    int pidfd = -1;
    const pid_t pid = clone_with_namespaces(pidfd);
    if (pid < 0) {
        return fail(CommonError::unavailable, "namespaces: " + errno_error("clone3").message());
    }
    if (pid == 0) {
        // Nothing of the launcher or of other sandboxes goes along.
        const int control = 3;
        ::dup2(sockets[1].get(), control);
        ::close_range(control + 1, ~0U, 0);
        box_main({.control = control,
            .seccomp = settings.seccomp,
            .seccomp_with_tcp = settings.seccomp_with_tcp,
            .use_resource_limits = settings.use_resource_limits,
            .one_user = settings.own_user_only});
    }
    box.pidfd_ = UniqueFd(pidfd);
    box.control_ = std::move(sockets[0]);
    if (auto set = box.set_up(settings, pid, number); !set) {
        box.kill(Outcome::End::sandbox_failed);
        box.finish();
        return fail(set.error());
    }
    return box;
}

Result<void> SandboxBox::set_up(const Settings& settings, pid_t pid, std::uint32_t number) {
    // As root each sandbox has users of its own, all that an image may name.
    const std::string users =
        settings.own_user_only
            ? fmt::format("{} {} 1", kInnerUser, settings.first_user)
            : fmt::format("0 {} {}", settings.first_user + number * kInnerUsers, kInnerUsers);
    const std::string groups =
        settings.own_user_only ? fmt::format("{} {} 1", kInnerUser, ::getegid()) : users;
    const auto fail_with = [](std::string_view layer, const Error& error) {
        return fail(CommonError::unavailable, fmt::format("{}: {}", layer, error.message()));
    };
    if (auto done = write_process_file(pid, "setgroups", "deny"); !done) {
        return fail_with("namespaces", done.error());
    }
    if (auto done = write_process_file(pid, "uid_map", users); !done) {
        return fail_with("namespaces", done.error());
    }
    if (auto done = write_process_file(pid, "gid_map", groups); !done) {
        return fail_with("namespaces", done.error());
    }
    if (auto done = cgroup_.add(pid); !done) {
        return fail_with("cgroup", done.error());
    }
    const std::uint8_t go = 1;
    return internal::send_message(control_.get(), BytesView(&go, 1), {}, MSG_DONTWAIT);
}

void SandboxBox::read_control() {
    std::array<std::uint8_t, 8192> buffer{};
    while (true) {
        auto message = internal::receive_message(control_.get(), buffer, MSG_DONTWAIT);
        if (!message) {
            return;
        }
        if (message->data.empty()) {
            // Readable for ever: nobody is to poll it while the kernel takes the sandbox away.
            control_.reset();
            return;
        }
        internal::WireReader reader(message->data);
        switch (reader.get<MessageKind>()) {
            case MessageKind::prepared:
                state_ = state_ == State::starting ? State::spare : state_;
                break;
            case MessageKind::failed:
                failure_ = reader.get_text();
                break;
            case MessageKind::unstartable:
                unstartable_ = reader.get_text();
                break;
            case MessageKind::ended: {
                Ended ended;
                ended.code = reader.get<std::int32_t>();
                ended.status = reader.get<std::int32_t>();
                ended.cpu_us = reader.get<std::uint64_t>();
                ended.peak_bytes = reader.get<std::uint64_t>();
                ended_ = ended;
                break;
            }
            case MessageKind::run:
            case MessageKind::kill:
            case MessageKind::terminate:
            case MessageKind::freeze:
            case MessageKind::thaw:
            case MessageKind::freezer:
            case MessageKind::ready:
            case MessageKind::done:
                break;
        }
    }
}

Result<void> SandboxBox::start(
    const RunRequest& request, BytesView message, std::span<UniqueFd> fds) {
    state_ = State::running;
    run_id_ = request.numbers.id;
    if (request.numbers.wall_ms != 0) {
        deadline_ =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(request.numbers.wall_ms);
    }
    if (!internal::is_left_out("cgroup")) {
        TRY_VOID(cgroup_.set_limits({.memory_bytes = request.numbers.memory_bytes,
            .pids = request.numbers.pids,
            .cpu_millis = request.numbers.cpu_millis}));
    }
    TRY(const UniqueFd package, clone_read_only(request.package));
    std::vector<int> numbers{fds[0].get(), fds[1].get(), fds[2].get(), package.get()};
    for (const UniqueFd& more : fds.subspan(3)) {
        numbers.push_back(more.get());
    }
    return internal::send_message(control_.get(), message, numbers, MSG_DONTWAIT);
}

void SandboxBox::terminate() {
    if (state_ == State::running) {
        if (!thaw()) {
            kill(Outcome::End::killed);
            return;
        }
        // The first process passes it on to the program.
        internal::pidfd_send_signal(pidfd_.get(), SIGTERM);
    }
}

void SandboxBox::kill(Outcome::End reason) {
    if (state_ == State::over) {
        return;
    }
    if (!killed_for_) {
        killed_for_ = reason;
    }
    deadline_ = std::chrono::steady_clock::time_point::max();
    // The first process of a pid namespace takes all others with it, whatever session they are in.
    internal::pidfd_send_signal(pidfd_.get(), SIGKILL);
    // What v1 has frozen dies when it goes on: at once, before it does anything.
    static_cast<void>(thaw());
}

RunDone SandboxBox::result() const {
    const CgroupUsage usage = cgroup_.usage();
    RunDone done;
    done.id = run_id_.value_or(0);
    done.cpu_us = std::max(usage.cpu_microseconds, ended_ ? ended_->cpu_us : 0);
    done.peak_bytes = std::max(usage.peak_bytes, ended_ ? ended_->peak_bytes : 0);
    judge(done, usage);
    return done;
}

std::optional<RunDone> SandboxBox::take_result() {
    // One that was killed has its first process among the dead: `finish` tells.
    if (state_ != State::running || !ended_ || killed_for_) {
        return std::nullopt;
    }
    state_ = State::over;
    deadline_ = std::chrono::steady_clock::time_point::max();
    return result();
}

std::optional<RunDone> SandboxBox::finish() {
    read_control();
    siginfo_t info{};
    while (
        ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    std::optional<RunDone> done;
    if (state_ == State::running) {
        done = result();
    }
    return done;
}

void SandboxBox::judge(RunDone& done, const CgroupUsage& usage) const {
    const bool exited = ended_ && ended_->code == CLD_EXITED;
    if (killed_for_) {
        done.end = *killed_for_;
        done.detail = done.end == Outcome::End::timed_out ? "the time limit was reached" : "killed";
    } else if (!unstartable_.empty()) {
        done.end = Outcome::End::trapped;
        done.exit_code = 126;
        done.detail = unstartable_;
    } else if (!failure_.empty()) {
        done.detail = failure_;
    } else if (usage.oom_kills > 0 && !(exited && ended_->status == 0)) {
        done.end = Outcome::End::out_of_memory;
        done.exit_code = 137;
        done.detail = "the memory limit was reached";
    } else if (exited) {
        done.end = Outcome::End::exited;
        done.exit_code = ended_->status;
    } else if (ended_) {
        done.end = Outcome::End::trapped;
        done.exit_code = 128 + ended_->status;
        done.detail = ended_->status == SIGSYS
                          ? "a system call through a foreign architecture's entry"
                          : fmt::format("killed by signal {}", ended_->status);
    } else {
        done.detail = "the sandbox's first process died";
    }
}

}  // namespace decloud::sandbox::native
