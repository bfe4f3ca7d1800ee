#pragma once

#include "up_state.hpp"

#include <decloud/async/child_process.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/chain/anvil.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace decloud::cli::internal {

/// Where this program's file is.
[[nodiscard]] std::filesystem::path own_program();

/// Chain, node and gateway of one `up`, started in that order and stopped in the other. Single
/// threaded. `stop` before destruction.
class UpProcesses {
  public:
    /// `state` outlives it.
    UpProcesses(async::Executor executor, UpState& state)
        : executor_(executor), state_(state), keepers_(executor) {}

    /// Each returns when it answers. Errors: why it did not, with its last words.
    [[nodiscard]] async::Task<Result<void>> start_chain();
    [[nodiscard]] async::Task<Result<void>> start_node_and_gateway();
    /// Starts again what ends, until `stop`.
    void keep_running();
    [[nodiscard]] async::Task<void> stop();

    [[nodiscard]] std::string chain_url() const { return chain_->url(); }

  private:
    struct Part {
        std::string what;
        std::vector<std::string> words;
        std::string log;
        std::unique_ptr<async::ChildProcess> process;
    };

    [[nodiscard]] Result<void> start(Part& part);
    [[nodiscard]] async::Task<Result<void>> wait_ready(Part& part, std::string url);
    [[nodiscard]] async::Task<void> keep(Part& part);
    [[nodiscard]] async::Task<void> keep_chain();
    [[nodiscard]] std::vector<std::string> with_home(std::vector<std::string> words) const;

    async::Executor executor_;
    UpState& state_;
    async::TaskGroup keepers_;
    std::unique_ptr<chain::DevelopmentChain> chain_;
    Part node_{.what = "the provider", .words = {}, .log = "provider.log", .process = {}};
    Part gateway_{.what = "the gateway", .words = {}, .log = "gateway.log", .process = {}};
    std::chrono::steady_clock::time_point keep_state_at_{};
    bool stopping_ = false;
};

}  // namespace decloud::cli::internal
