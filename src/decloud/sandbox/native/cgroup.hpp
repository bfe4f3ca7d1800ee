#pragma once

#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace decloud::sandbox::native {

/// Where this process's groups of one controller are, and which interface they have.
struct Controller {
    std::filesystem::path folder;
    int version = 1;
    friend bool operator==(const Controller&, const Controller&) = default;
};
using Controllers = std::map<std::string, Controller, std::less<>>;

/// From /proc/self/mountinfo and /proc/self/cgroup: v1, v2 and hosts that have both. Controllers
/// of v2 are listed if `available` (cgroup.controllers of that folder) names them.
[[nodiscard]] Controllers find_controllers(std::string_view mountinfo,
    std::string_view self_cgroup,
    const std::function<std::string(const std::filesystem::path&)>& available);

struct CgroupLimits {
    std::uint64_t memory_bytes = 0;
    std::uint32_t pids = 0;
    std::uint32_t cpu_millis = 0;
};

struct CgroupUsage {
    std::uint64_t peak_bytes = 0;
    std::uint64_t cpu_microseconds = 0;
    std::uint64_t oom_kills = 0;
};

/// One group in each controller's hierarchy. Removed when destroyed, if it is empty by then.
class Cgroup {
  public:
    Cgroup() = default;
    explicit Cgroup(Controllers folders) : folders_(std::move(folders)) {}
    Cgroup(Cgroup&& other) noexcept : folders_(std::exchange(other.folders_, {})) {}
    Cgroup& operator=(Cgroup&& other) noexcept;
    ~Cgroup() { remove(); }

    [[nodiscard]] Result<void> set_limits(const CgroupLimits& limits) const;
    [[nodiscard]] Result<void> add(pid_t pid) const;
    [[nodiscard]] CgroupUsage usage() const;
    [[nodiscard]] bool has_memory_limit() const { return folders_.contains("memory"); }
    void remove();

  private:
    Controllers folders_;
};

/// The groups that the launcher makes: one folder of its own in each hierarchy, a group for each
/// sandbox in it.
class CgroupTree {
  public:
    /// Error: unavailable, says which controller cannot be used and why.
    [[nodiscard]] static Result<CgroupTree> open();
    CgroupTree() = default;
    CgroupTree(CgroupTree&& other) noexcept : folders_(std::exchange(other.folders_, {})) {}
    CgroupTree& operator=(CgroupTree&& other) noexcept;
    ~CgroupTree();

    /// Without controllers (the operator accepted that): a group that limits nothing.
    [[nodiscard]] Result<Cgroup> make(const std::string& name) const;

  private:
    explicit CgroupTree(Controllers folders) : folders_(std::move(folders)) {}
    Controllers folders_;
};

}  // namespace decloud::sandbox::native
