#pragma once

#include "../internal/channel.hpp"
#include "../internal/completion.hpp"
#include "../internal/gate.hpp"
#include "../sandbox.hpp"
#include "artifact.hpp"
#include "code_cache.hpp"
#include "protocol.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace decloud::sandbox::wasm {

/// One run as the node sees it.
struct PendingRun {
    /// Not started yet.
    explicit PendingRun(const async::Executor& executor) : started(executor), done(executor) {}

    /// Set when output begins to stream, and when `done` is.
    internal::Completion started;
    internal::Completion done;
    internal::UniqueFd stream;
    /// Takes the connections on which it sends requests of its own; empty: it may send none.
    std::function<void(internal::UniqueFd)> connect;
    std::optional<RunResult> result;
    /// What `result.output` views.
    Bytes output;
    /// When the worker is killed for not having ended this run.
    std::chrono::steady_clock::time_point kill_at;
    /// That has happened.
    bool overstayed = false;
};

/// A WASM worker process of one owner, on the node's side. Single threaded. Kept by shared_ptr:
/// runs hold it until they have ended.
class WasmWorker : public std::enable_shared_from_this<WasmWorker> {
  public:
    /// Takes over a worker that was started.
    WasmWorker(
        async::Executor executor, const SandboxSettings& settings, internal::WorkerProcess process);

    /// Waits until it is confined and ready. Error: unavailable with the reason.
    [[nodiscard]] async::Task<Result<void>> ready();
    /// The number of the program in the worker, loading it if need be. Error: limit_exceeded if the
    /// worker says that it asks for more than any program gets; all else is the provider's own
    /// failure.
    [[nodiscard]] async::Task<Result<std::uint32_t>> load(
        std::shared_ptr<const WasmArtifact> artifact,
        const CodeCache& cache,
        boost::asio::thread_pool& pool);
    /// The same if it is loaded already.
    [[nodiscard]] std::optional<std::uint32_t> loaded(const WasmArtifact& artifact);

    /// Starts a run; `run` must live until it is done. `fd`: input that does not travel inline.
    void start(
        PendingRun& run, RunRequest request, const Environment& environment, internal::UniqueFd fd);
    /// Asks the worker to end a run, and kills the worker if it does not in time.
    void cancel(std::uint64_t id);
    /// A number for the next run, never given before.
    [[nodiscard]] std::uint64_t next_id() { return ++last_id_; }

    /// Bounds how many runs are in the worker at a time.
    [[nodiscard]] internal::Gate& gate() { return gate_; }
    /// True once the process is gone.
    [[nodiscard]] bool ended() const { return ended_; }
    /// Nothing runs or is about to: there is no `Use`.
    [[nodiscard]] bool idle() const { return uses_ == 0; }
    /// When the last `Use` ended.
    [[nodiscard]] std::chrono::steady_clock::time_point last_used() const { return last_used_; }
    /// The process's id.
    [[nodiscard]] pid_t pid() const { return channel_->pid(); }
    /// Ends the process and waits for it.
    [[nodiscard]] async::Task<void> stop();

    /// Keeps the worker from being reaped as idle.
    class Use {
      public:
        /// Until it is destroyed.
        explicit Use(std::shared_ptr<WasmWorker> worker) : worker_(std::move(worker)) {
            ++worker_->uses_;
        }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        ~Use() {
            --worker_->uses_;
            worker_->last_used_ = std::chrono::steady_clock::now();
        }

      private:
        std::shared_ptr<WasmWorker> worker_;
    };

  private:
    struct LoadedProgram {
        std::uint32_t number = 0;
        std::uint64_t last_used = 0;
        bool loaded = false;
        /// That it is not loaded is its own doing.
        bool at_fault = false;
        std::shared_ptr<async::Event> answered;
        std::string error;
    };

    bool on_message(internal::Message message);
    bool on_loaded(BytesView message);
    bool on_stream(internal::Message message);
    bool on_done(BytesView message);
    bool on_connect(internal::Message message);
    void on_end(const std::string& how);
    void finish(PendingRun& run);
    void forget_oldest_program();
    /// Kills the process when a run overstays.
    async::Task<void> watch();

    async::Executor executor_;
    std::chrono::milliseconds kill_grace_{1000};
    std::unique_ptr<internal::WorkerChannel> channel_;
    internal::Gate gate_;
    async::Event ready_;
    std::string failure_;
    bool ended_ = false;
    std::map<std::string, LoadedProgram> programs_;
    std::uint32_t last_number_ = 0;
    std::uint64_t program_clock_ = 0;
    std::unordered_map<std::uint64_t, PendingRun*> runs_;
    std::uint64_t last_id_ = 0;
    std::size_t uses_ = 0;
    std::chrono::steady_clock::time_point last_used_;
    bool watching_ = false;
    async::TaskGroup tasks_;
};

}  // namespace decloud::sandbox::wasm
