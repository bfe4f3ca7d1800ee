#pragma once

#include "fd.hpp"

#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace decloud::sandbox::internal {

/// A worker that has been started: killed and reaped at the latest when this is destroyed.
class WorkerProcess {
  public:
    /// Starts `executable worker ARGUMENTS…` with nothing inherited: an empty environment, no
    /// descriptor but its socket (3), no terminal. It dies with the thread that starts it.
    [[nodiscard]] static Result<WorkerProcess> start(
        const std::filesystem::path& executable, const std::vector<std::string>& arguments);

    WorkerProcess() = default;
    WorkerProcess(WorkerProcess&& other) noexcept { *this = std::move(other); }
    WorkerProcess& operator=(WorkerProcess&& other) noexcept;
    ~WorkerProcess();

    [[nodiscard]] UniqueFd& socket() { return socket_; }
    /// Readable once the process has ended.
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }
    [[nodiscard]] pid_t pid() const { return pid_; }
    void kill() const;
    /// Waits for the end (do so when `pidfd` is readable) and says how it was: "killed by signal
    /// 9".
    std::string reap();

  private:
    UniqueFd socket_;
    UniqueFd pidfd_;
    pid_t pid_ = 0;
};

/// Thin wrappers of what glibc does not declare.
int pidfd_send_signal(int pidfd, int signal);
int pidfd_open(pid_t pid);

}  // namespace decloud::sandbox::internal
