#include "../testing/fixture.hpp"

#include <boost/asio/steady_timer.hpp>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

namespace decloud::sandbox {

namespace {

using testing::Answer;
using testing::CollectingSink;
using End = Outcome::End;
using namespace std::chrono_literals;

class WasmHostile : public testing::SandboxTest {
  protected:
    WasmHostile() { runtime_ = "wasm"; }
};

/// Children of this process whose command line holds `word`.
std::vector<int> workers(const std::string& word) {
    std::vector<int> found;
    const std::string parent = std::to_string(::getpid());
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream status(entry.path() / "stat");
        std::string pid;
        std::string name;
        std::string state;
        std::string ppid;
        status >> pid >> name >> state >> ppid;
        std::ifstream line(entry.path() / "cmdline");
        const std::string text{std::istreambuf_iterator<char>(line), {}};
        if (ppid == parent && text.find(word) != std::string::npos) {
            found.push_back(std::stoi(pid));
        }
    }
    return found;
}

/// Stops a process and waits until all of it stands still.
void freeze(int pid) {
    ::kill(pid, SIGSTOP);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
    ASSERT_TRUE(WIFSTOPPED(status));
}

TEST_F(WasmHostile, AnEndlessLoopEndsAtItsTimeLimit) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    const auto begin = std::chrono::steady_clock::now();
    const Answer answer = probe("spin", "", "", quick(200ms));
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(answer.outcome.end, End::timed_out) << answer.outcome.detail;
    EXPECT_GE(took, 190ms);
    EXPECT_LT(took, 1s);
    EXPECT_GE(answer.outcome.cpu, 50ms);
}

TEST_F(WasmHostile, ASleepInAHostCallEndsAtItsTimeLimit) {
    const Answer answer = probe("sleep", "60000", "", quick(150ms));
    EXPECT_EQ(answer.outcome.end, End::timed_out);
    EXPECT_EQ(answer.output, "");
}

TEST_F(WasmHostile, StuckProgramsDoNotHoldUpOthers) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    int stuck = 0;
    for (int i = 0; i < 8; ++i) {
        boost::asio::co_spawn(context_,
            sandbox_->invoke(probe_, {{"MODE", "spin"}}, std::make_shared<MemoryBody>(Bytes{}),
                std::make_shared<CollectingSink>(), quick(4s), {}),
            [&](std::exception_ptr, const Outcome&) { ++stuck; });
    }
    const Answer answer = probe("echo", "", "through");
    EXPECT_EQ(answer.output, "through");
    EXPECT_EQ(stuck, 0);
    while (stuck < 8) {
        context_.run_one();
    }
}

TEST_F(WasmHostile, AMemoryBombIsOutOfMemory) {
    Limits limits;
    limits.memory_bytes = 16 * kMiB;
    const Answer answer = probe("memory", "", "", limits);
    EXPECT_EQ(answer.outcome.end, End::out_of_memory) << answer.outcome.detail;
    EXPECT_LE(answer.outcome.peak_bytes, 16 * kMiB);
}

TEST_F(WasmHostile, AFloodEndsAtTheResponseLimit) {
    Limits limits;
    limits.response_bytes = kMiB;
    const Answer answer = probe("flood", "", "", limits);
    EXPECT_EQ(answer.outcome.end, End::limit) << answer.outcome.detail;
    EXPECT_LE(answer.output.size(), kMiB);
}

TEST_F(WasmHostile, AnAnswerOfExactlyTheLimitPasses) {
    Limits limits;
    limits.response_bytes = 200'000;
    const Answer answer = probe("produce", "200000", "", limits);
    EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
    EXPECT_EQ(answer.output.size(), 200'000U);
    EXPECT_EQ(probe("produce", "200001", "", limits).outcome.end, End::limit);
}

TEST_F(WasmHostile, ARequestAboveTheLimitIsRefused) {
    Limits limits;
    limits.request_bytes = 10;
    EXPECT_EQ(probe("echo", "", "eleven byte", limits).outcome.end, End::limit);
}

TEST_F(WasmHostile, DeepRecursionAndTrapsHarmNobody) {
    const Answer deep = probe("recurse");
    EXPECT_EQ(deep.outcome.end, End::trapped);
    EXPECT_NE(deep.outcome.detail.find("stack"), std::string::npos) << deep.outcome.detail;
    const Answer trap = probe("trap");
    EXPECT_EQ(trap.outcome.end, End::trapped);
    EXPECT_NE(trap.outcome.detail.find("unreachable"), std::string::npos) << trap.outcome.detail;
    EXPECT_EQ(probe("echo", "", "fine").output, "fine");
}

/// A command with a table of 2^30 elements.
Bytes module_with_huge_table() {
    constexpr std::string_view kText(
        "\0asm\1\0\0\0"
        "\1\4\1\x60\0\0"
        "\3\2\1\0"
        "\4\x08\1\x70\0\x80\x80\x80\x80\4"
        "\5\3\1\0\1"
        "\7\x13\2\6_start\0\0\6memory\2\0"
        "\x0a\4\1\2\0\x0b",
        60);
    return to_bytes(as_bytes(kText));
}

TEST_F(WasmHostile, AProgramThatCannotBeLoadedIsToBlameItself) {
    const std::string text(as_text(module_with_huge_table()));
    const auto package = testing::make_zip({{.path = "huge", .content = text}});
    const auto artifact = prepare("wasm", "huge", "owner", package);
    ASSERT_TRUE(artifact) << artifact.error().message();
    const Answer answer = call(*artifact, {});
    EXPECT_EQ(answer.outcome.end, End::limit) << answer.outcome.detail;
    EXPECT_NE(answer.outcome.detail.find("table"), std::string::npos) << answer.outcome.detail;
}

TEST_F(WasmHostile, AWorkerThatDiesWhileItLoadsIsTheProvidersFault) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    const auto other = prepare("wasm", "wasm_hello");
    ASSERT_TRUE(other) << other.error().message();
    const auto running = workers(std::string("wasm") + '\0');
    ASSERT_EQ(running.size(), 1U);
    freeze(running[0]);
    std::optional<Outcome> outcome;
    boost::asio::co_spawn(context_,
        sandbox_->invoke(*other, {}, std::make_shared<MemoryBody>(Bytes{}),
            std::make_shared<CollectingSink>(), {}, {}),
        [&](std::exception_ptr, Outcome ended) { outcome = std::move(ended); });
    context_.restart();
    // The program is sent to the worker at once.
    context_.poll();
    ASSERT_FALSE(outcome);
    ::kill(running[0], SIGKILL);
    while (!outcome) {
        context_.run_one();
    }
    EXPECT_TRUE(outcome->provider_fault()) << outcome->detail;
    EXPECT_EQ(call(*other, {}).outcome.end, End::exited);
}

TEST_F(WasmHostile, SeesNoFiles) {
    EXPECT_EQ(probe("files").output,
        "/etc/passwd refused\n/proc/self/environ refused\n../secret refused\n/ refused\n");
}

TEST_F(WasmHostile, AClientThatGoesAwayKillsTheProgram) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    auto sink = std::make_shared<CollectingSink>();
    sink->fail_after = 100'000;
    const auto begin = std::chrono::steady_clock::now();
    Limits limits;
    limits.response_bytes = kGiB;
    const Outcome outcome = run(sandbox_->invoke(
        probe_, {{"MODE", "flood"}}, std::make_shared<MemoryBody>(Bytes{}), sink, limits, {}));
    EXPECT_EQ(outcome.end, End::killed) << outcome.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(WasmHostile, CancellingKillsTheProgram) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    async::CancellationSource source;
    boost::asio::steady_timer timer(context_, 50ms);
    timer.async_wait([&](const boost::system::error_code&) { source.cancel(); });
    const auto begin = std::chrono::steady_clock::now();
    const Outcome outcome =
        run(sandbox_->invoke(probe_, {{"MODE", "spin"}}, std::make_shared<MemoryBody>(Bytes{}),
            std::make_shared<CollectingSink>(), Limits{}, source.token()));
    EXPECT_EQ(outcome.end, End::killed) << outcome.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_F(WasmHostile, OwnersNeverShareAProcess) {
    const auto first = prepare("wasm", "wasm_hello", "one");
    const auto second = prepare("wasm", "wasm_hello", "two");
    ASSERT_TRUE(first && second);
    EXPECT_EQ(call(*first, {}).output, "hello\n");
    EXPECT_EQ(workers(std::string("wasm") + '\0').size(), 1U);
    EXPECT_EQ(call(*second, {}).output, "hello\n");
    EXPECT_EQ(workers(std::string("wasm") + '\0').size(), 2U);
}

TEST_F(WasmHostile, ADeadWorkerIsReplacedAndTheCallRepeated) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    const auto before = workers(std::string("wasm") + '\0');
    ASSERT_EQ(before.size(), 1U);
    boost::asio::steady_timer timer(context_, 100ms);
    timer.async_wait([&](const boost::system::error_code&) { ::kill(before[0], SIGKILL); });
    const Answer answer = probe("sleep", "400");
    EXPECT_EQ(answer.output, "slept\n") << answer.outcome.detail;
    EXPECT_NE(workers(std::string("wasm") + '\0'), before);
}

TEST_F(WasmHostile, AWorkerThatDoesNotAnswerIsKilledAndTheRunCountsAsTooLong) {
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    const auto before = workers(std::string("wasm") + '\0');
    ASSERT_EQ(before.size(), 1U);
    // A stopped process stands for a host call that never comes back.
    freeze(before[0]);
    const Answer answer = probe("exit", "0", "", quick(200ms));
    EXPECT_EQ(answer.outcome.end, End::timed_out) << answer.outcome.detail;
    EXPECT_EQ(probe("echo", "", "again").output, "again");
}

TEST_F(WasmHostile, AWorkerHasNothingOfTheNode) {
    ::setenv("DECLOUD_CANARY", "do not show", 1);
    ASSERT_EQ(probe("exit").outcome.end, End::exited);
    const auto running = workers(std::string("wasm") + '\0');
    ASSERT_EQ(running.size(), 1U);
    const std::filesystem::path process = "/proc/" + std::to_string(running[0]);
    std::ifstream environment(process / "environ");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(environment), {}), "");
    std::ifstream status(process / "status");
    const std::string text{std::istreambuf_iterator<char>(status), {}};
    EXPECT_NE(text.find("CapEff:\t0000000000000000"), std::string::npos) << text;
    EXPECT_NE(text.find("CapBnd:\t0000000000000000"), std::string::npos) << text;
    EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos) << text;
    EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos) << text;
    if (::geteuid() == 0) {
        EXPECT_EQ(text.find("Uid:\t0"), std::string::npos) << text;
    }
    for (const char* name : {"net", "mnt", "ipc"}) {
        std::error_code error;
        const auto theirs = std::filesystem::read_symlink(process / "ns" / name, error);
        const auto ours =
            std::filesystem::read_symlink(std::filesystem::path("/proc/self/ns") / name);
        EXPECT_NE(theirs, ours) << name;
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(process / "fd", error)) {
        const auto target = std::filesystem::read_symlink(entry.path()).string();
        const bool harmless = target == "/dev/null" || target.starts_with("socket:") ||
                              target.starts_with("pipe:") || target.starts_with("/memfd:") ||
                              entry.path().filename() == "2";
        EXPECT_TRUE(harmless) << entry.path() << " " << target;
    }
    // Ordinary users may not look into a process that gave up everything.
    EXPECT_EQ(static_cast<bool>(error), ::geteuid() != 0) << error.message();
}

}  // namespace

}  // namespace decloud::sandbox
