#include "cgroup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Cgroup, NonsenseFindsNothing) {
    EXPECT_TRUE(find_controllers("", "", everything).empty());
    EXPECT_TRUE(find_controllers("a b c\n- - -\n", "::\n:::::\n", everything).empty());
}

}  // namespace

}  // namespace decloud::sandbox::native
