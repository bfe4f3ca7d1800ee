#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace decloud::cli::internal {

/// This very program once more, with other words, in a process that ends with us, however we end.
/// Single threaded; start it on a thread that lasts, as the kernel ends it with that thread.
class ChildProcess {
  public:
    /// Its output goes to the end of `log` (0600). Errors: io.
    [[nodiscard]] static Result<std::unique_ptr<ChildProcess>> start(
        async::Executor executor, std::vector<std::string> words, std::filesystem::path log);
    /// Kills it if it still runs.
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    [[nodiscard]] bool running();
    /// Ends with the process.
    [[nodiscard]] async::Task<void> wait_exit();
    /// SIGTERM, and SIGKILL after `grace`.
    [[nodiscard]] async::Task<void> stop(std::chrono::steady_clock::duration grace);
    /// What it wrote last since it was started, at most some lines.
    [[nodiscard]] std::string last_words() const;

  private:
    ChildProcess(pid_t pid, int descriptor, async::Executor executor, std::filesystem::path log);

    pid_t pid_;
    int descriptor_;
    async::Executor executor_;
    std::filesystem::path log_;
    std::uintmax_t log_start_ = 0;
    bool ended_ = false;
};

/// Where this program's file is.
[[nodiscard]] std::filesystem::path own_program();

}  // namespace decloud::cli::internal
