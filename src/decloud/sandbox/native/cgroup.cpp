#include "cgroup.hpp"

#include "../internal/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

namespace decloud::sandbox::native {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kNeeded{"memory", "pids", "cpu"};
constexpr std::string_view kPrefix = "decloud.";
constexpr std::uint64_t kCpuPeriod = 100'000;
/// Empty groups that are kept: making and removing one costs more than starting a program.
constexpr std::size_t kKeptGroups = 64;
/// Memory that still counts for an empty group that is used again.
constexpr std::uint64_t kMostLeftBytes = std::uint64_t{2} * 1024 * 1024;

std::string read_text(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Result<void> write_text(const fs::path& path, std::string_view text) {
    const internal::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) {
        return fail(errno_error(path.string()));
    }
    if (::write(file.get(), text.data(), text.size()) < 0) {
        return fail(errno_error(path.string()));
    }
    return {};
}

std::uint64_t read_number(const fs::path& path) {
    const std::string text = read_text(path);
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// The number after `key` in a file of "key number" lines.
std::uint64_t read_keyed(const fs::path& path, std::string_view key) {
    std::istringstream lines(read_text(path));
    std::string name;
    std::uint64_t value = 0;
    while (lines >> name >> value) {
        if (name == key) {
            return value;
        }
    }
    return 0;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

/// One mounted cgroup hierarchy.
struct Hierarchy {
    fs::path mount;
    /// What of the hierarchy is mounted there (a container sees a part only).
    fs::path root;
    int version = 1;
    std::set<std::string> options;
};

std::vector<Hierarchy> parse_mounts(std::string_view mountinfo) {
    std::vector<Hierarchy> result;
    for (const std::string& line : split(mountinfo, '\n')) {
        const auto fields = split(line, ' ');
        const auto dash = std::ranges::find(fields, "-");
        if (fields.size() < 6 || fields.end() - dash < 4) {
            continue;
        }
        const bool second = dash[1] == "cgroup2";
        if (!second && dash[1] != "cgroup") {
            continue;
        }
        const auto options = split(dash[3], ',');
        result.push_back({.mount = fields[4],
            .root = fields[3],
            .version = second ? 2 : 1,
            .options = {options.begin(), options.end()}});
    }
    return result;
}

fs::path folder_of(const Hierarchy& hierarchy, const std::string& path) {
    const auto relative = fs::path(path).lexically_relative(hierarchy.root);
    if (relative.empty() || *relative.begin() == "..") {
        return hierarchy.mount;
    }
    return relative == "." ? hierarchy.mount : hierarchy.mount / relative;
}

}  // namespace

Controllers find_controllers(std::string_view mountinfo,
    std::string_view self_cgroup,
    const std::function<std::string(const fs::path&)>& available) {
    const auto hierarchies = parse_mounts(mountinfo);
    Controllers found;
    for (const std::string& line : split(self_cgroup, '\n')) {
        const auto fields = split(line, ':');
        if (fields.size() < 3) {
            continue;
        }
        const std::string path = line.substr(fields[0].size() + fields[1].size() + 2);
        for (const Hierarchy& hierarchy : hierarchies) {
            if (fields[1].empty() && hierarchy.version == 2) {
                const fs::path folder = folder_of(hierarchy, path);
                found["freezer"] = {.folder = folder, .version = 2};
                std::istringstream names(available(folder));
                for (std::string name; names >> name;) {
                    found.emplace(name, Controller{.folder = folder, .version = 2});
                }
            }
            if (!fields[1].empty() && hierarchy.version == 1) {
                for (const std::string& name : split(fields[1], ',')) {
                    if (name == "freezer" && hierarchy.options.contains(name)) {
                        found.emplace(
                            name, Controller{.folder = folder_of(hierarchy, path), .version = 1});
                    } else if (hierarchy.options.contains(name)) {
                        found[name] = {.folder = folder_of(hierarchy, path), .version = 1};
                    }
                }
            }
        }
    }
    return found;
}

namespace {

/// The file that freezes a group, and what is written into it.
struct Freezer {
    fs::path file;
    std::string_view freeze;
    std::string_view thaw;
};

Freezer freezer_of(const Controller& controller) {
    if (controller.version == 2) {
        return {.file = controller.folder / "cgroup.freeze", .freeze = "1", .thaw = "0"};
    }
    return {.file = controller.folder / "freezer.state", .freeze = "FROZEN", .thaw = "THAWED"};
}

void remove_group(const fs::path& folder) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (entry.is_directory(ignored)) {
            // What v1 has frozen ends only when it goes on.
            for (const int version : {1, 2}) {
                const Freezer freezer = freezer_of({.folder = entry.path(), .version = version});
                static_cast<void>(write_text(freezer.file, freezer.thaw));
            }
            ::rmdir(entry.path().c_str());
        }
    }
    ::rmdir(folder.c_str());
}

/// Groups of launchers that were killed.
void remove_stale(const fs::path& parent) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(parent, ignored)) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        if (!name.starts_with(kPrefix)) {
            continue;
        }
        std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), pid);
        if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) {
            remove_group(entry.path());
        }
    }
}

/// v2 forbids processes beside groups with controllers: ours move into a group of their own.
Result<void> make_room(const fs::path& folder) {
    const fs::path leaf = folder / "decloud-main";
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail(errno_error(leaf.string()));
    }
    std::istringstream pids(read_text(folder / "cgroup.procs"));
    for (std::string pid; pids >> pid;) {
        TRY_VOID(write_text(leaf / "cgroup.procs", pid));
    }
    return {};
}

Result<void> enable_controllers(const fs::path& folder) {
    const fs::path control = folder / "cgroup.subtree_control";
    if (write_text(control, "+memory +pids +cpu")) {
        return {};
    }
    TRY_VOID(make_room(folder));
    return write_text(control, "+memory +pids +cpu");
}

}  // namespace

Result<CgroupTree> CgroupTree::open() {
    auto controllers =
        find_controllers(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup"),
            [](const fs::path& folder) { return read_text(folder / "cgroup.controllers"); });
    CgroupTree tree;
    for (const std::string_view name : kNeeded) {
        const auto place = controllers.find(name);
        if (place == controllers.end()) {
            return fail(CommonError::unavailable, fmt::format("there is no {} controller", name));
        }
        const Controller& parent = place->second;
        remove_stale(parent.folder);
        const fs::path folder = parent.folder / fmt::format("{}{}", kPrefix, ::getpid());
        if (parent.version == 2) {
            TRY_VOID(enable_controllers(parent.folder));
        }
        if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
            return fail(errno_error(folder.string()));
        }
        tree.folders_.emplace(name, Controller{.folder = folder, .version = parent.version});
        if (parent.version == 2) {
            TRY_VOID(write_text(folder / "cgroup.subtree_control", "+memory +pids +cpu"));
        }
    }
    tree.find_freezer(controllers);
    return tree;
}

void CgroupTree::find_freezer(const Controllers& controllers) {
    const auto place = controllers.find("freezer");
    if (place == controllers.end()) {
        no_freezer_ = "there is neither a freezer controller nor cgroup v2";
        return;
    }
    const Controller& parent = place->second;
    remove_stale(parent.folder);
    Controller own{.folder = parent.folder / fmt::format("{}{}", kPrefix, ::getpid()),
        .version = parent.version};
    if (::mkdir(own.folder.c_str(), 0755) != 0 && errno != EEXIST) {
        no_freezer_ = errno_error(own.folder.string()).message();
        return;
    }
    const fs::path file = freezer_of(own).file;
    if (::access(file.c_str(), W_OK) != 0) {
        no_freezer_ = errno_error(file.string()).message();
        ::rmdir(own.folder.c_str());
        return;
    }
    no_freezer_.clear();
    folders_.emplace("freezer", std::move(own));
}

CgroupTree& CgroupTree::operator=(CgroupTree&& other) noexcept {
    std::swap(folders_, other.folders_);
    std::swap(no_freezer_, other.no_freezer_);
    std::swap(free_, other.free_);
    std::swap(made_, other.made_);
    return *this;
}

CgroupTree::~CgroupTree() {
    free_.clear();
    for (const auto& [name, controller] : folders_) {
        remove_group(controller.folder);
    }
}

Result<Cgroup> CgroupTree::take() {
    if (!free_.empty()) {
        Cgroup group = std::move(free_.back());
        free_.pop_back();
        return group;
    }
    const std::string name = fmt::format("box{}", ++made_);
    Controllers folders;
    for (const auto& [controller, parent] : folders_) {
        const fs::path folder = parent.folder / name;
        if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
            return fail(errno_error(folder.string()));
        }
        folders.emplace(controller, Controller{.folder = folder, .version = parent.version});
    }
    return Cgroup(std::move(folders));
}

void CgroupTree::give_back(Cgroup group) {
    // What the kernel has not freed yet would be taken from the next run's limit.
    if (free_.size() < kKeptGroups && group.memory_in_use() <= kMostLeftBytes && group.thaw()) {
        group.reset_usage();
        free_.push_back(std::move(group));
    }
}

void Cgroup::swap(Cgroup& other) noexcept {
    std::swap(folders_, other.folders_);
    std::swap(frozen_, other.frozen_);
    std::swap(limits_, other.limits_);
    std::swap(earlier_oom_kills_, other.earlier_oom_kills_);
    std::swap(earlier_cpu_, other.earlier_cpu_);
}

Result<void> Cgroup::set_limits(const CgroupLimits& limits) {
    if (limits_ == limits) {
        return {};
    }
    limits_.reset();
    for (const auto& [name, controller] : folders_) {
        TRY_VOID(set_limit(name, controller, limits));
    }
    limits_ = limits;
    return {};
}

Result<void> Cgroup::set_limit(
    std::string_view name, const Controller& controller, const CgroupLimits& limits) {
    const fs::path& folder = controller.folder;
    const bool first = controller.version == 1;
    if (name == "freezer") {
        return {};
    }
    if (name == "memory") {
        const std::string bytes = std::to_string(limits.memory_bytes);
        // v1 refuses a limit above the one that counts swap too, so that is lifted before.
        if (first && write_text(folder / "memory.memsw.limit_in_bytes", "-1")) {
            TRY_VOID(write_text(folder / "memory.limit_in_bytes", bytes));
            return write_text(folder / "memory.memsw.limit_in_bytes", bytes);
        }
        if (first) {
            return write_text(folder / "memory.limit_in_bytes", bytes);
        }
        TRY_VOID(write_text(folder / "memory.max", bytes));
        // Without swap there is nothing to limit.
        static_cast<void>(write_text(folder / "memory.swap.max", "0"));
        return write_text(folder / "memory.oom.group", "1");
    }
    if (name == "pids") {
        // One more: the sandbox's own first process.
        return write_text(folder / "pids.max", std::to_string(limits.pids + 1));
    }
    const std::uint64_t quota =
        std::max<std::uint64_t>(kCpuPeriod * limits.cpu_millis / 1000, 1000);
    if (first) {
        TRY_VOID(write_text(folder / "cpu.cfs_period_us", std::to_string(kCpuPeriod)));
        return write_text(folder / "cpu.cfs_quota_us", std::to_string(quota));
    }
    return write_text(folder / "cpu.max", fmt::format("{} {}", quota, kCpuPeriod));
}

Result<void> Cgroup::add(pid_t pid) {
    std::set<fs::path> done;
    bool takes = true;
    for (const auto& [name, controller] : folders_) {
        if (done.insert(controller.folder).second) {
            auto added = write_text(controller.folder / "cgroup.procs", std::to_string(pid));
            if (!added && name != "freezer") {
                return added;
            }
            takes = takes && added;
        }
    }
    if (!takes) {
        leave_out_freezer();
    }
    return {};
}

void Cgroup::leave_out_freezer() {
    const auto place = folders_.find("freezer");
    ::rmdir(place->second.folder.c_str());
    folders_.erase(place);
}

Result<void> Cgroup::freeze() {
    const auto place = folders_.find("freezer");
    if (place == folders_.end()) {
        return fail(CommonError::unavailable, "the group has no freezer");
    }
    const Freezer freezer = freezer_of(place->second);
    // Also where it fails: v1 may have stopped some of them.
    frozen_ = true;
    return write_text(freezer.file, freezer.freeze);
}

Result<void> Cgroup::thaw() {
    if (!frozen_) {
        return {};
    }
    const Freezer freezer = freezer_of(folders_.at("freezer"));
    TRY_VOID(write_text(freezer.file, freezer.thaw));
    frozen_ = false;
    return {};
}

CgroupUsage Cgroup::usage() const {
    CgroupUsage usage;
    if (const auto memory = folders_.find("memory"); memory != folders_.end()) {
        const fs::path& folder = memory->second.folder;
        const bool first = memory->second.version == 1;
        usage.peak_bytes =
            read_number(folder / (first ? "memory.max_usage_in_bytes" : "memory.peak"));
        usage.oom_kills =
            read_keyed(folder / (first ? "memory.oom_control" : "memory.events"), "oom_kill") -
            earlier_oom_kills_;
    }
    const auto cpu = folders_.find("cpu");
    if (cpu != folders_.end() && cpu->second.version == 2) {
        usage.cpu_microseconds =
            read_keyed(cpu->second.folder / "cpu.stat", "usage_usec") - earlier_cpu_;
    }
    return usage;
}

std::uint64_t Cgroup::memory_in_use() const {
    const auto memory = folders_.find("memory");
    if (memory == folders_.end()) {
        return 0;
    }
    const bool first = memory->second.version == 1;
    return read_number(
        memory->second.folder / (first ? "memory.usage_in_bytes" : "memory.current"));
}

void Cgroup::reset_usage() {
    const CgroupUsage now = usage();
    earlier_oom_kills_ += now.oom_kills;
    earlier_cpu_ += now.cpu_microseconds;
    if (const auto memory = folders_.find("memory"); memory != folders_.end()) {
        // Kernels before 6.12 cannot reset v2's peak: it is then that of the group's whole life.
        const bool first = memory->second.version == 1;
        static_cast<void>(write_text(
            memory->second.folder / (first ? "memory.max_usage_in_bytes" : "memory.peak"), "0"));
    }
}

void Cgroup::remove() {
    for (const auto& [name, controller] : folders_) {
        ::rmdir(controller.folder.c_str());
    }
    folders_.clear();
}

}  // namespace decloud::sandbox::native
