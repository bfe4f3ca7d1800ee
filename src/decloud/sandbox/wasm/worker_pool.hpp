#pragma once

#include "worker.hpp"

#include <decloud/async/task_group.hpp>

#include <map>
#include <memory>
#include <string>

namespace decloud::sandbox::wasm {

/// The node's WASM workers: one for each owner that was active lately, a bounded number. Single
/// threaded.
class WorkerPool {
  public:
    /// Starts no worker yet. `settings` outlives this.
    WorkerPool(async::Executor executor, const SandboxSettings& settings)
        : executor_(executor), settings_(settings), reaper_(executor), retired_(executor) {}

    /// The owner's worker if it is there and ready.
    [[nodiscard]] std::shared_ptr<WasmWorker> find(const std::string& isolation_key);
    /// Starts it if need be. Errors: unavailable.
    [[nodiscard]] async::Task<Result<std::shared_ptr<WasmWorker>>> acquire(
        std::string isolation_key);
    /// Ends every worker and waits for them; `acquire` then fails.
    [[nodiscard]] async::Task<void> stop();

  private:
    struct Place {
        std::shared_ptr<WasmWorker> worker;
        bool ready = false;
    };
    /// Takes the longest idle worker away if there are too many. False: all are busy.
    bool make_room();
    void retire(std::shared_ptr<WasmWorker> worker);
    async::Task<void> reap_idle();
    static async::Task<void> stop_worker(std::shared_ptr<WasmWorker> worker);

    async::Executor executor_;
    const SandboxSettings& settings_;
    std::map<std::string, Place> workers_;
    bool reaping_ = false;
    bool stopped_ = false;
    async::TaskGroup reaper_;
    async::TaskGroup retired_;
};

}  // namespace decloud::sandbox::wasm
