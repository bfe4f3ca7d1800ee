#pragma once

#include "../internal/fd.hpp"
#include "box.hpp"
#include "cgroup.hpp"
#include "protocol.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace decloud::sandbox::native {

/// One sandbox as the launcher sees it, from its making to its end. Used for one run.
class SandboxBox {
  public:
    /// over: its run was reported, only the kernel still tidies up.
    enum class State { starting, spare, running, over };

    /// What all sandboxes of a launcher share.
    struct Settings {
        CgroupTree& cgroups;
        const internal::SeccompProgram* seccomp = nullptr;
        const internal::SeccompProgram* seccomp_with_tcp = nullptr;
        bool use_resource_limits = false;
        /// User ids on the host: the first of ours as root, our own otherwise.
        uid_t first_user = 0;
        bool own_user_only = false;
    };

    /// Error: unavailable, names the layer.
    [[nodiscard]] static Result<SandboxBox> make(const Settings& settings, std::uint32_t number);
    SandboxBox(SandboxBox&&) noexcept = default;
    SandboxBox& operator=(SandboxBox&&) noexcept = default;

    /// Where it stands.
    [[nodiscard]] State state() const { return state_; }
    /// Descriptors to poll: the first process's pidfd, and the socket to it (−1 once that is
    /// closed). Owned by this object.
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }
    [[nodiscard]] int control() const { return control_.get(); }
    /// The node's number of its run; none before `start`.
    [[nodiscard]] std::optional<std::uint64_t> run_id() const { return run_id_; }
    /// When its run is to be killed for its wall time; `max()` before `start` and after a kill.
    [[nodiscard]] std::chrono::steady_clock::time_point deadline() const { return deadline_; }

    /// Takes in what the sandbox says.
    void read_control();
    /// Starts the run; `message` is as the node sent it.
    [[nodiscard]] Result<void> start(
        const RunRequest& request, BytesView message, std::span<internal::UniqueFd> fds);
    /// Asks its program to end, also if it is frozen.
    void terminate();
    /// Its processes can be frozen.
    [[nodiscard]] bool can_freeze() const { return cgroup_.can_freeze(); }
    /// Has all of its processes stand still until `thaw`, or until it is ended. Errors: those of
    /// `Cgroup`.
    [[nodiscard]] Result<void> freeze() { return cgroup_.freeze(); }
    /// Has them go on.
    [[nodiscard]] Result<void> thaw() { return cgroup_.thaw(); }
    /// Kills everything in it, for `reason`.
    void kill(Outcome::End reason);
    /// How its run ended, once all of its processes are gone but the first: empty before.
    [[nodiscard]] std::optional<RunDone> take_result();
    /// After `pidfd` became readable: reaps it. The result if nobody has taken it.
    std::optional<RunDone> finish();
    /// Its group, when it has finished.
    [[nodiscard]] Cgroup take_cgroup() { return std::move(cgroup_); }
    /// Why it could not be made ready; empty if it could.
    [[nodiscard]] const std::string& failure() const { return failure_; }

  private:
    SandboxBox() = default;
    [[nodiscard]] Result<void> set_up(const Settings& settings, pid_t pid, std::uint32_t number);
    [[nodiscard]] RunDone result() const;
    void judge(RunDone& done, const CgroupUsage& usage) const;

    struct Ended {
        std::int32_t code = 0;
        std::int32_t status = 0;
        std::uint64_t cpu_us = 0;
        std::uint64_t peak_bytes = 0;
    };

    State state_ = State::starting;
    Cgroup cgroup_;
    internal::UniqueFd pidfd_;
    internal::UniqueFd control_;
    std::optional<std::uint64_t> run_id_;
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
    std::optional<Outcome::End> killed_for_;
    std::optional<Ended> ended_;
    std::string failure_;
    std::string unstartable_;
};

}  // namespace decloud::sandbox::native
