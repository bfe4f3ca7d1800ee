#include "../testing/fixture.hpp"

#include <boost/asio/steady_timer.hpp>
#include <sys/socket.h>

#include <fstream>
#include <sstream>

namespace decloud::sandbox {

namespace {

using testing::Answer;
using testing::CollectingSink;
using End = Outcome::End;
using namespace std::chrono_literals;

class NativeHostile : public testing::SandboxTest {
  protected:
    NativeHostile() { runtime_ = "native"; }
};

/// Processes on this machine whose command line holds `word`.
std::size_t processes_with(const std::string& word) {
    std::size_t found = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
        std::ifstream line(entry.path() / "cmdline");
        const std::string text{std::istreambuf_iterator<char>(line), {}};
        found += text.find(word) != std::string::npos ? 1 : 0;
    }
    return found;
}

TEST_F(NativeHostile, AnEndlessLoopThatIgnoresSignalsEndsAtItsTimeLimit) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    const auto begin = std::chrono::steady_clock::now();
    const Answer answer = probe("spin", "", "", quick(300ms));
    EXPECT_EQ(answer.outcome.end, End::timed_out) << answer.outcome.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(NativeHostile, ASleeperEndsAtItsTimeLimit) {
    EXPECT_EQ(probe("sleep", "60", "", quick(150ms)).outcome.end, End::timed_out);
}

TEST_F(NativeHostile, AMemoryBombIsOutOfMemory) {
    Limits limits;
    limits.memory_bytes = 32 * kMiB;
    const Answer answer = probe("memory", "", "", limits);
    if (::geteuid() == 0) {
        EXPECT_EQ(answer.outcome.end, End::out_of_memory) << answer.outcome.detail;
    } else {
        // By the resource limit: its allocation fails, and it says so with 7.
        EXPECT_EQ(answer.outcome.exit_code, 7) << answer.outcome.detail;
    }
    EXPECT_LE(answer.outcome.peak_bytes, 33 * kMiB);
    EXPECT_EQ(probe("echo", "", "others live").output, "others live");
}

TEST_F(NativeHostile, AForkBombStopsAtTheProcessLimit) {
    Limits limits;
    limits.pids = 20;
    EXPECT_EQ(probe("forks", "", "", limits).output, "made 19\n");
}

TEST_F(NativeHostile, AFloodEndsAtTheResponseLimit) {
    Limits limits;
    limits.response_bytes = kMiB;
    const Answer answer = probe("flood", "0", "", limits);
    EXPECT_EQ(answer.outcome.end, End::limit) << answer.outcome.detail;
    EXPECT_LE(answer.output.size(), kMiB);
}

TEST_F(NativeHostile, TmpHasItsLimits) {
    Limits limits;
    limits.tmp_bytes = kMiB;
    limits.tmp_inodes = 50;
    const Answer answer = probe("fill", "", "", limits);
    std::istringstream text(answer.output);
    std::string word;
    long files = 0;
    long bytes = 0;
    text >> word >> files >> word >> bytes;
    EXPECT_GT(files, 10) << answer.output;
    EXPECT_LE(files, 50);
    EXPECT_GT(bytes, 100'000);
    EXPECT_LE(bytes, static_cast<long>(kMiB));
}

TEST_F(NativeHostile, NothingOfOneRunIsThereInTheNext) {
    EXPECT_EQ(probe("leave").output, "fresh\n");
    EXPECT_EQ(probe("leave").output, "fresh\n");
}

TEST_F(NativeHostile, ASurvivorInASessionOfItsOwnDies) {
    const std::string tag = "survivor-" + std::to_string(::getpid());
    EXPECT_EQ(probe("survivor", tag).output, "left one\n");
    EXPECT_EQ(processes_with(tag), 0U);
}

TEST_F(NativeHostile, KillingEverythingReachesNothingOutside) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    EXPECT_EQ(probe("kill_all").output, "alive\n");
    EXPECT_EQ(probe("echo", "", "alive too").output, "alive too");
}

TEST_F(NativeHostile, SeesOnlyItsPackage) {
    std::istringstream lines(probe("list", "/").output);
    std::vector<std::string> names;
    for (std::string name; std::getline(lines, name);) {
        names.push_back(name);
    }
    EXPECT_THAT(names,
        ::testing::UnorderedElementsAre(".", "..", "data", "dev", "proc", "tmp", "native_probe"));
    EXPECT_EQ(probe("list", "/etc").output, "/etc: No such file or directory\n");
}

TEST_F(NativeHostile, SeesOnlyItsOwnProcesses) {
    std::istringstream lines(probe("list", "/proc").output);
    std::vector<std::string> numbers;
    for (std::string name; std::getline(lines, name);) {
        if (name.find_first_not_of("0123456789") == std::string::npos) {
            numbers.push_back(name);
        }
    }
    EXPECT_THAT(numbers, ::testing::UnorderedElementsAre("1", "2"));
}

TEST_F(NativeHostile, IsNobodyAndHasNoCapabilities) {
    const std::string text = probe("identity").output;
    EXPECT_NE(text.find("uid 65534 euid 65534 gid 65534 pid 2\n"), std::string::npos) << text;
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        EXPECT_NE(text.find(std::string(set) + ":\t0000000000000000"), std::string::npos) << text;
    }
    EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos) << text;
    EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos) << text;
}

TEST_F(NativeHostile, InheritsNoDescriptors) {
    std::array<int, 2> canary{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, canary.data()), 0);
    EXPECT_EQ(probe("descriptors").output, "0\n1\n2\n");
    ::close(canary[0]);
    ::close(canary[1]);
}

TEST_F(NativeHostile, EveryForbiddenAttemptFails) {
    const std::string text = probe("attempts").output;
    EXPECT_NE(text.find("sys No such file"), std::string::npos) << text;
    EXPECT_EQ(text.find("ALLOWED"), std::string::npos) << text;
}

TEST_F(NativeHostile, AForeignArchitecturesEntryKills) {
    const Answer answer = probe("foreign");
    EXPECT_EQ(answer.outcome.end, End::trapped) << answer.output;
    EXPECT_EQ(answer.outcome.exit_code, 128 + SIGSYS);
}

TEST_F(NativeHostile, CancellingKillsTheProgram) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    async::CancellationSource source;
    boost::asio::steady_timer timer(context_, 50ms);
    timer.async_wait([&](const boost::system::error_code&) { source.cancel(); });
    const Outcome outcome = run(sandbox_->invoke(probe_, {{"MODE", "sleep"}, {"ARGUMENT", "60"}},
        std::make_shared<MemoryBody>(Bytes{}), std::make_shared<CollectingSink>(), Limits{},
        source.token()));
    EXPECT_EQ(outcome.end, End::killed) << outcome.detail;
}

TEST_F(NativeHostile, ADeadLauncherIsReplacedAndIsNotTheProgramsFault) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    int launcher = 0;
    children >> launcher;
    ASSERT_GT(launcher, 0);
    boost::asio::steady_timer timer(context_, 100ms);
    timer.async_wait([&](const boost::system::error_code&) { ::kill(launcher, SIGKILL); });
    const Answer answer = probe("sleep", "60");
    EXPECT_TRUE(answer.outcome.provider_fault()) << answer.outcome.detail;
    EXPECT_EQ(probe("echo", "", "again").output, "again");
}

TEST_F(NativeHostile, NothingRemainsAfterStopping) {
    ASSERT_EQ(probe("echo", "", "x").output, "x");
    run_void(sandbox_->stop());
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(children), {}), "");
}

}  // namespace

}  // namespace decloud::sandbox
