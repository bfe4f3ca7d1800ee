#pragma once

#include "error.hpp"

#include <decloud/async/child_process.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace decloud::chain {

/// How `DevelopmentChain::start` runs anvil.
struct AnvilSettings {
    /// The native program (`find_anvil`), not npm's wrapper, which leaves it behind.
    std::filesystem::path program{};
    /// 0: a free one.
    std::uint16_t port = 8545;
    std::uint64_t chain_id = 31337;
    /// Where the chain is kept; empty: in memory only.
    std::filesystem::path state{};
    /// Where its output goes; empty: nowhere.
    std::filesystem::path log{};
    /// 0: a block for each transaction, at once.
    std::chrono::seconds block_time{1};
    std::chrono::steady_clock::duration ready_timeout = std::chrono::seconds(30);
    std::vector<std::string> extra_arguments{};
};

/// The native anvil: `configured` if not empty, else DECLOUD_ANVIL, else in
/// `contracts/node_modules` or `node_modules` of each of `roots` or right in it, else in PATH (a
/// script there is passed over). Error: not_found with where it looked.
[[nodiscard]] Result<std::filesystem::path> find_anvil(
    const std::filesystem::path& configured, const std::vector<std::filesystem::path>& roots);

/// A development chain in a process of its own that ends with us, however we end, and is killed if
/// `stop` was not called. Single threaded; start it on a thread that lasts, as the kernel ends it
/// with that thread.
class DevelopmentChain {
  public:
    /// Returns when it answers. Errors: already_exists if the port is taken (the detail names it),
    /// process with the end of its log, timeout.
    [[nodiscard]] static async::Task<Result<std::unique_ptr<DevelopmentChain>>> start(
        async::Executor executor, AnvilSettings settings);

    /// The TCP port on 127.0.0.1; also if a free one was asked for.
    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// "http://127.0.0.1:8545".
    [[nodiscard]] std::string url() const;
    /// Of the anvil process, and whether it still runs.
    [[nodiscard]] pid_t pid() const { return process_->pid(); }
    [[nodiscard]] bool running() { return process_->running(); }
    /// SIGTERM, so that the state is written, and SIGKILL after `grace`.
    [[nodiscard]] async::Task<void> stop(
        std::chrono::steady_clock::duration grace = std::chrono::seconds(10));

  private:
    DevelopmentChain(std::unique_ptr<async::ChildProcess> process, std::uint16_t port)
        : process_(std::move(process)), port_(port) {}
    [[nodiscard]] async::Task<Result<void>> wait_ready(
        async::Executor executor, AnvilSettings settings);

    std::unique_ptr<async::ChildProcess> process_;
    std::uint16_t port_;
};

}  // namespace decloud::chain
