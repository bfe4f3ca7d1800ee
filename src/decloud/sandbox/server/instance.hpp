#pragma once

#include "../native/host.hpp"
#include "../native/way_out.hpp"
#include "listener.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace decloud::sandbox::server {

/// What is started: the same for every instance of a deployment.
struct ServerProgram {
    std::shared_ptr<const Artifact> artifact;
    native::ProgramStart start;
    Environment environment;
    Limits limits;
    std::uint32_t concurrency = 1;
    std::chrono::milliseconds idle{60'000};
    /// The deployment's cid.
    std::string deployment;
    /// Its way to other machines; null: it has none.
    std::shared_ptr<Egress> egress;
};

/// One warm process tree of one deployment, from its start to its end. Without a call for a while
/// it is frozen: none of its processes runs until the next call. Single threaded.
class Instance {
  public:
    /// frozen: also while it is being frozen or thawed.
    enum class State { busy, idle, frozen };

    /// Called when calls may find something changed.
    using Changed = std::function<void()>;

    Instance(native::Host& host, std::shared_ptr<const ServerProgram> program, Changed changed);

    /// Its whole life; ends when the process has.
    [[nodiscard]] async::Task<void> live();

    /// It may take another call.
    [[nodiscard]] bool has_room() const;
    [[nodiscard]] bool idle() const { return busy_ == 0 && !stopping_ && !ended_.is_set(); }
    /// It has been told to end, or has ended: its place becomes free by itself.
    [[nodiscard]] bool leaving() const {
        return stopping_ || run_.done.is_set() || ended_.is_set();
    }
    /// What it does now.
    [[nodiscard]] State state() const {
        return frozen_ ? State::frozen : busy_ > 0 ? State::busy : State::idle;
    }
    /// When its last call ended, or it was made.
    [[nodiscard]] std::chrono::steady_clock::time_point idle_since() const { return idle_since_; }
    /// One more call. `leave` when it is over; `retire`: it is ended after its other calls.
    void enter();
    void leave(bool retire);
    /// After `enter`: waits until it runs, if it was frozen. Error: unavailable if it does not.
    [[nodiscard]] async::Task<Result<void>> thawed();
    /// Asks it to end: SIGTERM, and SIGKILL if that does not help.
    void stop();

    /// A new connection. Errors: from errno.
    [[nodiscard]] Result<internal::UniqueFd> connect() const;
    /// Waits until the process has ended; false if it goes on.
    [[nodiscard]] async::Task<bool> ended_within(std::chrono::milliseconds limit);
    [[nodiscard]] bool ended() const { return ended_.is_set(); }
    /// It ended though nobody had asked for it, by its own fault.
    [[nodiscard]] bool crashed() const {
        return ended_.is_set() && !stopping_ && !outcome_.provider_fault();
    }
    /// What passed through its way out since this was last asked; nothing without one.
    [[nodiscard]] std::optional<EgressUse> take_egress_use() { return way_out_.take_use(); }
    /// How it ended; after `ended`.
    [[nodiscard]] const Outcome& outcome() const { return outcome_; }

  private:
    [[nodiscard]] async::Task<Result<void>> start();
    [[nodiscard]] Result<void> start_in(native::LauncherClient& launcher);
    [[nodiscard]] async::Task<void> wait_for_end();
    /// Both wait for the launcher's answer.
    [[nodiscard]] async::Task<void> freeze();
    [[nodiscard]] async::Task<void> thaw();
    [[nodiscard]] async::Task<void> end_it();
    [[nodiscard]] async::Task<void> watch_run();
    /// Until it has had no call for `limit`; never comes while it has one.
    [[nodiscard]] std::chrono::steady_clock::duration until_idle_for(
        std::chrono::milliseconds limit) const;
    void tell_errors(std::string_view text) const;
    void finish();

    native::Host& host_;
    std::shared_ptr<const ServerProgram> program_;
    Changed changed_;
    std::shared_ptr<native::LauncherClient> launcher_;
    Listener listener_;
    Result<void> listening_;
    std::uint64_t id_ = 0;
    native::PendingRun run_;
    native::WayOut way_out_;
    async::Event wake_;
    /// Not set while it is frozen, until it is thawed or has ended.
    async::Event thawed_;
    async::Event ended_;
    Outcome outcome_;
    std::string output_;
    std::string errors_;
    std::uint32_t busy_ = 0;
    bool retired_ = false;
    bool stopping_ = false;
    bool frozen_ = false;
    bool can_freeze_ = false;
    std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
    async::TaskGroup tasks_;
};

}  // namespace decloud::sandbox::server
