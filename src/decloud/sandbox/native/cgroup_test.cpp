#include "cgroup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <thread>

namespace decloud::sandbox::native {

namespace {

std::string everything(const std::filesystem::path&) { return "cpuset cpu io memory pids"; }
std::string nothing(const std::filesystem::path&) { return ""; }

TEST(Cgroup, FindsTheControllersOfVersion2) {
    const auto found =
        find_controllers("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
            "0::/system.slice/decloud.service\n", everything);
    EXPECT_EQ(found.at("memory"),
        (Controller{.folder = "/sys/fs/cgroup/system.slice/decloud.service", .version = 2}));
    EXPECT_TRUE(found.contains("pids"));
    EXPECT_TRUE(found.contains("cpu"));
}

TEST(Cgroup, FindsTheControllersOfVersion1) {
    const auto found = find_controllers(
        "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpu,cpuacct\n"
        "32 23 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
        "4:memory:/user/x\n3:cpu,cpuacct:/\n2:pids:/user/x\n", nothing);
    EXPECT_EQ(
        found.at("memory"), (Controller{.folder = "/sys/fs/cgroup/memory/user/x", .version = 1}));
    EXPECT_EQ(found.at("cpu").folder, "/sys/fs/cgroup/cpu,cpuacct");
    EXPECT_EQ(found.at("pids").version, 1);
}

TEST(Cgroup, OnAHybridHostEachControllerIsWhereItIs) {
    const auto found = find_controllers(
        "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "4:memory:/a\n0::/b\n", [](const auto&) { return std::string("pids hugetlb"); });
    EXPECT_EQ(found.at("memory").version, 1);
    EXPECT_EQ(found.at("pids"), (Controller{.folder = "/sys/fs/cgroup/unified/b", .version = 2}));
    EXPECT_FALSE(found.contains("cpu"));
}

TEST(Cgroup, AContainerSeesItsPartOfTheHierarchyOnly) {
    const auto found =
        find_controllers("30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
            "0::/docker/1/child\n", everything);
    EXPECT_EQ(found.at("memory").folder, "/sys/fs/cgroup/child");
    const auto outside = find_controllers(
        "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/other\n", everything);
    EXPECT_EQ(outside.at("memory").folder, "/sys/fs/cgroup");
}

TEST(Cgroup, TheFreezerIsThatOfVersion2WhereThereIsOne) {
    constexpr std::string_view kFirst =
        "30 23 0:26 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n";
    constexpr std::string_view kSecond =
        "31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const Controller first{.folder = "/sys/fs/cgroup/freezer/a", .version = 1};
    const Controller second{.folder = "/sys/fs/cgroup/unified/b", .version = 2};
    const auto freezer = [](const std::string& mounts, std::string_view own) {
        return find_controllers(mounts, own, nothing).at("freezer");
    };
    EXPECT_EQ(freezer(std::string(kFirst), "4:freezer:/a\n0::/b\n"), first);
    for (const std::string_view own : {"4:freezer:/a\n0::/b\n", "0::/b\n4:freezer:/a\n"}) {
        EXPECT_EQ(freezer(std::string(kFirst) + std::string(kSecond), own), second) << own;
    }
}

/// A process that counts, in a group of its own.
class Counting {
  public:
    explicit Counting(Cgroup& group) {
        counter_ = static_cast<std::atomic_uint64_t*>(::mmap(
            nullptr, sizeof *counter_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        process_ = ::fork();
        if (process_ == 0) {
            while (true) {
                ++*counter_;
            }
        }
        EXPECT_TRUE(group.add(process_));
    }
    Counting(const Counting&) = delete;
    Counting& operator=(const Counting&) = delete;
    ~Counting() { ::munmap(counter_, sizeof *counter_); }

    void wait_until_counting() const {
        const std::uint64_t before = *counter_;
        EXPECT_TRUE(comes_true([&] { return *counter_ != before; })) << "it stands still";
    }
    /// Once the kernel says that all of the group is frozen.
    void expect_still(const Controller& freezer) const {
        EXPECT_TRUE(comes_true([&] { return is_frozen(freezer); })) << "it is not frozen";
        const std::uint64_t before = *counter_;
        for (int round = 0; round < 10'000; ++round) {
            std::this_thread::yield();
        }
        EXPECT_EQ(*counter_, before) << "it goes on";
    }
    void kill() const { ::kill(process_, SIGKILL); }
    void reap() const { EXPECT_EQ(::waitpid(process_, nullptr, 0), process_); }

  private:
    static bool comes_true(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition() && std::chrono::steady_clock::now() < end) {
            std::this_thread::yield();
        }
        return condition();
    }
    static bool is_frozen(const Controller& freezer) {
        const bool unified = freezer.version == 2;
        std::ifstream file(freezer.folder / (unified ? "cgroup.events" : "freezer.state"));
        const std::string text(std::istreambuf_iterator<char>(file), {});
        return text.find(unified ? "frozen 1" : "FROZEN") != std::string::npos;
    }

    std::atomic_uint64_t* counter_ = nullptr;
    pid_t process_ = 0;
};

/// By version: a group in each hierarchy of this host that can freeze.
std::vector<Controller> make_freezers() {
    std::vector<Controller> made;
    const auto read = [](const char* path) {
        std::ifstream file(path);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    std::istringstream mounts(read("/proc/self/mountinfo"));
    for (std::string line; std::getline(mounts, line);) {
        const auto found = find_controllers(line, read("/proc/self/cgroup"), nothing);
        if (const auto place = found.find("freezer"); place != found.end()) {
            const auto folder =
                place->second.folder / ("decloud-test." + std::to_string(::getpid()));
            if (::mkdir(folder.c_str(), 0755) == 0) {
                made.push_back({.folder = folder, .version = place->second.version});
            }
        }
    }
    return made;
}

TEST(Cgroup, FreezesAndThawsWhatIsInIt) {
    for (const Controller& freezer : make_freezers()) {
        Cgroup group(Controllers{{"freezer", freezer}});
        const Counting process(group);
        process.wait_until_counting();
        ASSERT_TRUE(group.freeze()) << freezer.folder;
        process.expect_still(freezer);
        ASSERT_TRUE(group.thaw()) << freezer.folder;
        process.wait_until_counting();
        // Also what was killed while it stood still ends.
        ASSERT_TRUE(group.freeze()) << freezer.folder;
        process.kill();
        ASSERT_TRUE(group.thaw()) << freezer.folder;
        process.reap();
        group.remove();
        EXPECT_FALSE(std::filesystem::exists(freezer.folder));
    }
}

TEST(Cgroup, WithoutAFreezerNothingIsFrozen) {
    Cgroup group;
    EXPECT_FALSE(group.can_freeze());
    EXPECT_EQ(group.freeze().error(), make_error_code(CommonError::unavailable));
    EXPECT_TRUE(group.thaw());
}

TEST(Cgroup, NonsenseFindsNothing) {
    EXPECT_TRUE(find_controllers("", "", everything).empty());
    EXPECT_TRUE(find_controllers("a b c\n- - -\n", "::\n:::::\n", everything).empty());
}

}  // namespace

}  // namespace decloud::sandbox::native
