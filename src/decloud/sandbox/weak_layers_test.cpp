#include "testing/fixture.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>

namespace decloud::sandbox {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The hostile program of tests/hostile in a sandbox that lacks layers. Each test sees that the
/// layer holds in the worker that others have too, told the same, and that without it the attempt
/// succeeds: so that the hostile tests would notice.
class WeakLayers : public testing::SandboxTest {
  protected:
    SandboxSettings settings() override {
        SandboxSettings settings = SandboxTest::settings();
        settings.accept_missing.insert(
            settings.accept_missing.end(), left_out_.begin(), left_out_.end());
        if (weak_) {
            settings.worker_executable = DECLOUD_TEST_WEAK_WORKER;
        }
        return settings;
    }
    /// What a check says in a sandbox without these layers, if it is the worker that can lack them.
    std::string say(bool weak,
        std::vector<std::string> without,
        const std::string& check,
        const Limits& limits = {}) {
        weak_ = weak;
        left_out_ = std::move(without);
        restart();
        const auto artifact = prepare("native", "hostile");
        EXPECT_TRUE(artifact) << artifact.error().message();
        if (!artifact) {
            return {};
        }
        return call(*artifact, {{"QUERY_STRING", check}}, "", limits).output;
    }
    /// Shows that the check finds out whether the layers are there.
    void expect_seen(const std::vector<std::string>& layers,
        const std::string& check,
        const std::string& sign,
        const Limits& limits = {}) {
        EXPECT_THAT(say(false, layers, check, limits), Not(HasSubstr(sign)));
        EXPECT_THAT(say(true, {}, check, limits), Not(HasSubstr(sign)));
        EXPECT_THAT(say(true, layers, check, limits), HasSubstr(sign));
    }

  private:
    bool weak_ = false;
    std::vector<std::string> left_out_;
};

/// The number behind the first word.
long count(const std::string& text) {
    std::istringstream words(text);
    std::string word;
    long number = -1;
    words >> word >> number;
    return number;
}

TEST_F(WeakLayers, WithoutItsFilterAProgramHasSocketsAndNamespaces) {
    expect_seen({"off:seccomp"}, "sockets", "socket 2 1 ALLOWED");
    expect_seen({"off:seccomp"}, "namespaces", "unshare 10000000 ALLOWED");
}

TEST_F(WeakLayers, WithoutItsNetworkNamespaceAProgramReachesTheHost) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listener, 16), 0);
    ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const std::string check = "network&port-" + std::to_string(ntohs(address.sin_port));
    expect_seen({"off:seccomp", "off:network"}, check, "node ALLOWED");
    // Either alone is enough.
    EXPECT_THAT(say(true, {"off:seccomp"}, check), Not(HasSubstr("node ALLOWED")));
    EXPECT_THAT(say(true, {"off:network"}, check), Not(HasSubstr("node ALLOWED")));
    ::close(listener);
}

/// Memory of the host that the program looks for, as long as this is there. Its key is the one that
/// the tests' program was built with.
class HostsMemory {
  public:
    HostsMemory() : id_(::shmget(kKey, 4096, IPC_CREAT | 0666)) {}
    HostsMemory(const HostsMemory&) = delete;
    HostsMemory& operator=(const HostsMemory&) = delete;
    ~HostsMemory() { ::shmctl(id_, IPC_RMID, nullptr); }
    [[nodiscard]] bool exists() const { return id_ >= 0; }

  private:
    static constexpr key_t kKey = 0x4465636d;
    int id_;
};

TEST_F(WeakLayers, WithoutItsIpcNamespaceAProgramFindsTheHostsMemory) {
    const HostsMemory memory;
    ASSERT_TRUE(memory.exists());
    expect_seen({"off:seccomp", "off:ipc"}, "find&weak", "sysv shm ALLOWED");
    EXPECT_THAT(say(true, {"off:seccomp"}, "find&weak"), Not(HasSubstr("sysv shm ALLOWED")));
}

TEST_F(WeakLayers, WithoutItsPartOfProcAProgramReadsTheKernelsSettings) {
    expect_seen({"off:proc"}, "read_host", "/proc/sys/kernel/hostname ALLOWED");
}

TEST_F(WeakLayers, WithoutItsCgroupAForkBombGoesOn) {
    if (::geteuid() != 0) {
        // Ordinary users seldom have cgroups: there is nothing that could be left out.
        return;
    }
    Limits limits;
    limits.pids = 20;
    EXPECT_LT(count(say(false, {"off:cgroup"}, "fork_bomb", limits)), 20);
    EXPECT_LT(count(say(true, {}, "fork_bomb", limits)), 20);
    EXPECT_GT(count(say(true, {"off:cgroup"}, "fork_bomb", limits)), 20);
}

TEST_F(WeakLayers, WithoutItsLimitsAProgramQueuesWhatTheHostsUserHas) {
    EXPECT_LE(count(say(false, {"off:limits"}, "timers")), 256);
    EXPECT_LE(count(say(true, {}, "timers")), 256);
    EXPECT_GT(count(say(true, {"off:limits"}, "timers")), 256);
}

TEST_F(WeakLayers, WithoutTheLimitsOfTmpAProgramMakesFilesForEver) {
    Limits limits;
    limits.tmp_inodes = 50;
    limits.tmp_bytes = kMiB;
    EXPECT_EQ(say(true, {}, "fill_inodes", limits), "inodes 49\nover\n");
    EXPECT_NE(say(true, {"off:tmp"}, "fill_inodes", limits), "inodes 49\nover\n");
}

TEST_F(WeakLayers, WithoutTheDropOfRightsAProgramCouldGainThem) {
    expect_seen(
        {"off:capabilities", "off:seccomp", "off:no_new_privs"}, "look", "status NoNewPrivs:\t0\n");
    EXPECT_THAT(say(true, {"off:capabilities"}, "look"),
        Not(HasSubstr("status CapBnd:\t0000000000000000\n")));
    EXPECT_THAT(say(true, {}, "look"), HasSubstr("status CapBnd:\t0000000000000000\n"));
}

}  // namespace

}  // namespace decloud::sandbox
