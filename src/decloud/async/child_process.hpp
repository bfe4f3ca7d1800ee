#pragma once

#include "task.hpp"

#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace decloud::async {

/// What the kernel does to a child when we end without having stopped it.
enum class AtOurEnd {
    /// SIGKILL: whatever it does, it does not survive us.
    kill,
    /// SIGTERM, for a program that obeys it and loses something if it is killed.
    terminate,
};

/// A program in a process of its own that ends with us, however we end.
/// Single threaded; start it on a thread that lasts, as the kernel ends it with that thread.
class ChildProcess {
  public:
    /// `words` are the program's path and its arguments. Its output goes to the end of `log`
    /// (0600), nowhere if that is empty. Errors: io.
    [[nodiscard]] static Result<std::unique_ptr<ChildProcess>> start(Executor executor,
        std::vector<std::string> words,
        std::filesystem::path log,
        AtOurEnd at_our_end = AtOurEnd::kill);
    /// Kills it if it still runs.
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    /// Its process id; after its end the system may give it to another process.
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// True until it has ended; reaps it then. Does not block.
    [[nodiscard]] bool running();
    /// Ends with the process.
    [[nodiscard]] Task<void> wait_exit();
    /// SIGTERM, and SIGKILL after `grace`.
    [[nodiscard]] Task<void> stop(std::chrono::steady_clock::duration grace);
    /// What it wrote last since it was started, at most some lines.
    [[nodiscard]] std::string last_words() const;

  private:
    ChildProcess(pid_t pid, int descriptor, Executor executor, std::filesystem::path log);

    pid_t pid_;
    int descriptor_;
    Executor executor_;
    std::filesystem::path log_;
    std::uintmax_t log_start_ = 0;
    bool ended_ = false;
};

}  // namespace decloud::async
