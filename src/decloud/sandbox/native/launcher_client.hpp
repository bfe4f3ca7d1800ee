#pragma once

#include "../internal/channel.hpp"
#include "../sandbox.hpp"
#include "protocol.hpp"

#include <decloud/async/event.hpp>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::sandbox::native {

/// One run in the launcher as the node sees it.
struct PendingRun {
    /// Not started yet.
    explicit PendingRun(const async::Executor& executor)
        : done(executor), freezer_answered(executor) {}
    async::Event done;
    /// Set with each answer to `freeze_run` and `thaw_run`, and with `done`.
    async::Event freezer_answered;
    /// What the last of these answers said.
    bool frozen = false;
    /// Empty when the launcher died.
    std::optional<RunDone> result;
};

/// The launcher process on the node's side. Single threaded. Kept by shared_ptr: runs hold it.
class LauncherClient {
  public:
    /// Takes over a launcher that was started.
    LauncherClient(async::Executor executor, internal::WorkerProcess process);

    /// Waits until it has tried all layers. Error: unavailable, with those that are missing.
    [[nodiscard]] async::Task<Result<void>> ready();
    /// Starts a run; `run` lives until it is done or forgotten. `fds`: stdin, stdout, stderr. One
    /// whose message is too long ends at once.
    void start(
        PendingRun& run, std::uint64_t id, Bytes message, std::vector<internal::UniqueFd> fds);
    /// Asks the launcher to kill a run; its `done` still comes. Nothing if it has ended.
    void kill_run(std::uint64_t id);
    /// Has a run's program get SIGTERM. Nothing if it has ended.
    void terminate_run(std::uint64_t id);
    /// Sandboxes can be frozen.
    [[nodiscard]] bool can_freeze() const { return can_freeze_; }
    /// Has all processes of a run stand still; answered by `freezer_answered`. Nothing if it has
    /// ended.
    void freeze_run(std::uint64_t id);
    /// Has them go on; answered likewise.
    void thaw_run(std::uint64_t id);
    /// The launcher does not answer: ends it, and with it every run.
    void kill() { channel_->kill(); }
    /// A number for the next run, never given before.
    [[nodiscard]] std::uint64_t next_id() { return ++last_id_; }
    /// True once the launcher is gone.
    [[nodiscard]] bool ended() const { return ended_; }
    /// Ends the process and waits for it.
    [[nodiscard]] async::Task<void> stop();

  private:
    void send_about(MessageKind kind, std::uint64_t id);
    bool on_message(BytesView message);
    bool on_ready(BytesView message);
    bool on_freezer(BytesView message);
    static void end(PendingRun& run);
    void on_end(const std::string& how);

    std::unique_ptr<internal::WorkerChannel> channel_;
    async::Event ready_;
    std::string failure_;
    bool ended_ = false;
    bool can_freeze_ = false;
    std::unordered_map<std::uint64_t, PendingRun*> runs_;
    std::uint64_t last_id_ = 0;
};

/// The layers that a `ready` message of a launcher names, and whether it can be used without them.
struct LauncherReport {
    bool usable = false;
    std::vector<std::string> missing;
    /// Why sandboxes cannot be frozen; empty if they can.
    std::string no_freezer;
};
/// Nothing if it is malformed: the launcher is then ended.
[[nodiscard]] std::optional<LauncherReport> parse_ready(BytesView message);

}  // namespace decloud::sandbox::native
