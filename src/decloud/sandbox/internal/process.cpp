#include "process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace decloud::sandbox::internal {

namespace {

constexpr int kSocketFd = 3;

class FileActions {
  public:
    FileActions() { ::posix_spawn_file_actions_init(&actions_); }
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    posix_spawn_file_actions_t* get() { return &actions_; }

  private:
    posix_spawn_file_actions_t actions_{};
};

class SpawnAttributes {
  public:
    SpawnAttributes() { ::posix_spawnattr_init(&attributes_); }
    ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    posix_spawnattr_t* get() { return &attributes_; }

  private:
    posix_spawnattr_t attributes_{};
};

void redirect(FileActions& actions, int socket) {
    ::posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(actions.get(), 1, "/dev/null", O_WRONLY, 0);
#ifndef DECLOUD_SANITIZE
    ::posix_spawn_file_actions_addopen(actions.get(), 2, "/dev/null", O_WRONLY, 0);
#endif
    ::posix_spawn_file_actions_adddup2(actions.get(), socket, kSocketFd);
    ::posix_spawn_file_actions_addclosefrom_np(actions.get(), kSocketFd + 1);
}

void reset_signals(SpawnAttributes& attributes) {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(attributes.get(), &none);
    ::posix_spawnattr_setsigdefault(attributes.get(), &all);
    // A session of its own: no controlling terminal, no Ctrl-C meant for others.
    ::posix_spawnattr_setflags(
        attributes.get(), POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

}  // namespace

Result<WorkerProcess> WorkerProcess::start(
    const std::filesystem::path& executable, const std::vector<std::string>& arguments) {
    TRY(auto sockets, make_socket_pair());
    FileActions actions;
    redirect(actions, sockets[1].get());
    SpawnAttributes attributes;
    reset_signals(attributes);

    std::vector<std::string> texts{"decloud", "worker"};
    texts.insert(texts.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    argv.reserve(texts.size() + 1);
    for (std::string& text : texts) {
        argv.push_back(text.data());
    }
    argv.push_back(nullptr);
    std::array<char*, 1> environment{nullptr};

    WorkerProcess process;
    const int error = ::posix_spawn(&process.pid_, executable.c_str(), actions.get(),
        attributes.get(), argv.data(), environment.data());
    if (error != 0) {
        process.pid_ = 0;
        return fail(errno_error("starting " + executable.string(), error));
    }
    process.pidfd_ = UniqueFd(pidfd_open(process.pid_));
    if (!process.pidfd_) {
        return fail(errno_error("pidfd_open"));
    }
    process.socket_ = std::move(sockets[0]);
    return process;
}

WorkerProcess& WorkerProcess::operator=(WorkerProcess&& other) noexcept {
    if (this != &other) {
        kill();
        reap();
        socket_ = std::move(other.socket_);
        pidfd_ = std::move(other.pidfd_);
        pid_ = std::exchange(other.pid_, 0);
    }
    return *this;
}

WorkerProcess::~WorkerProcess() {
    kill();
    reap();
}

void WorkerProcess::kill() const {
    if (pidfd_) {
        pidfd_send_signal(pidfd_.get(), SIGKILL);
    } else if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
    }
}

std::string WorkerProcess::reap() {
    if (pid_ <= 0) {
        return {};
    }
    siginfo_t info{};
    int result = 0;
    do {
        result = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
    } while (result != 0 && errno == EINTR);
    pid_ = 0;
    pidfd_.reset();
    if (result != 0) {
        return "gone";
    }
    return info.si_code == CLD_EXITED ? fmt::format("exited with {}", info.si_status)
                                      : fmt::format("killed by signal {}", info.si_status);
}

int pidfd_send_signal(int pidfd, int signal) {
    return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace decloud::sandbox::internal
