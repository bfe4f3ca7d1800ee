#pragma once

#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::sandbox::native {

/// Where this process's groups of one controller are, and which interface they have.
struct Controller {
    std::filesystem::path folder;
    int version = 1;
    friend bool operator==(const Controller&, const Controller&) = default;
};
/// By name: "memory", "pids", "cpu", and "freezer", which in v2 every group has.
using Controllers = std::map<std::string, Controller, std::less<>>;

/// From /proc/self/mountinfo and /proc/self/cgroup: v1, v2 and hosts that have both. Controllers
/// of v2 are listed if `available` (cgroup.controllers of that folder) names them. Of two freezers
/// it is that of v2, which lets what it has stopped be killed.
[[nodiscard]] Controllers find_controllers(std::string_view mountinfo,
    std::string_view self_cgroup,
    const std::function<std::string(const std::filesystem::path&)>& available);

/// What all processes of a group may use together; `cpu_millis` 1000 is one processor.
struct CgroupLimits {
    std::uint64_t memory_bytes = 0;
    std::uint32_t pids = 0;
    std::uint32_t cpu_millis = 0;
    friend bool operator==(const CgroupLimits&, const CgroupLimits&) = default;
};

/// What a group has used since it was made or `reset_usage`. Without a controller: 0.
struct CgroupUsage {
    std::uint64_t peak_bytes = 0;
    std::uint64_t cpu_microseconds = 0;
    std::uint64_t oom_kills = 0;
};

/// One group in each controller's hierarchy. Removed when destroyed, if it is empty by then.
class Cgroup {
  public:
    Cgroup() = default;
    /// The groups at these folders, which are there; they are removed with the object.
    explicit Cgroup(Controllers folders) : folders_(std::move(folders)) {}
    Cgroup(Cgroup&& other) noexcept { swap(other); }
    Cgroup& operator=(Cgroup&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Cgroup() { remove(); }

    /// Errors: from errno, naming the file that could not be written.
    [[nodiscard]] Result<void> set_limits(const CgroupLimits& limits);
    /// Moves a process into the group. Where the freezer alone does not take it, the group is
    /// without one from then on. Errors: from errno.
    [[nodiscard]] Result<void> add(pid_t pid);
    /// It has a freezer.
    [[nodiscard]] bool can_freeze() const { return folders_.contains("freezer"); }
    /// Has every process in it stand still, soon: none is asked, none can refuse. Errors:
    /// unavailable without a freezer; from errno.
    [[nodiscard]] Result<void> freeze();
    /// Has them go on; nothing if they do. Error: from errno.
    [[nodiscard]] Result<void> thaw();
    /// Read from the kernel now. Processor time is known on v2 only, else 0.
    [[nodiscard]] CgroupUsage usage() const;
    /// Memory that counts for the group now, also what ended processes left to the kernel.
    [[nodiscard]] std::uint64_t memory_in_use() const;
    /// Forgets what was used so far: the group serves again. It must be empty.
    void reset_usage();
    /// Removes the folders that are empty; the object then limits nothing.
    void remove();

  private:
    void swap(Cgroup& other) noexcept;
    [[nodiscard]] static Result<void> set_limit(
        std::string_view name, const Controller& controller, const CgroupLimits& limits);
    void leave_out_freezer();

    Controllers folders_;
    bool frozen_ = false;
    std::optional<CgroupLimits> limits_;
    std::uint64_t earlier_oom_kills_ = 0;
    std::uint64_t earlier_cpu_ = 0;
};

/// The groups that the launcher makes: one folder of its own in each hierarchy, a group for each
/// sandbox in it.
class CgroupTree {
  public:
    /// Error: unavailable, says which controller cannot be used and why.
    [[nodiscard]] static Result<CgroupTree> open();
    CgroupTree() = default;
    CgroupTree(CgroupTree&& other) noexcept { *this = std::move(other); }
    CgroupTree& operator=(CgroupTree&& other) noexcept;
    ~CgroupTree();

    /// An empty group, made or used before. Without controllers (the operator accepted that): one
    /// that limits nothing.
    [[nodiscard]] Result<Cgroup> take();
    /// Takes back one that is empty. Kept for `take`, unless much memory still counts for it.
    void give_back(Cgroup group);
    /// Why its groups have no freezer; empty if they have one.
    [[nodiscard]] const std::string& no_freezer() const { return no_freezer_; }

  private:
    void find_freezer(const Controllers& controllers);

    Controllers folders_;
    std::string no_freezer_ = "there are no cgroups";
    std::vector<Cgroup> free_;
    std::uint32_t made_ = 0;
};

}  // namespace decloud::sandbox::native
