#include "../testing/fixture.hpp"

#include <decloud/async/event.hpp>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>

namespace decloud::sandbox {

namespace {

using testing::Answer;
using testing::CollectingSink;
using testing::ZipEntry;
using End = Outcome::End;

class Native : public testing::SandboxTest {
  protected:
    Native() { runtime_ = "native"; }
};

TEST_F(Native, ThisMachineHasAllLayers) {
    if (::geteuid() == 0) {
        EXPECT_THAT(missing_layers(DECLOUD_TEST_WORKER), ::testing::IsEmpty());
    } else {
        EXPECT_THAT(missing_layers(DECLOUD_TEST_WORKER),
            ::testing::Each(::testing::StartsWith("cgroup: ")));
    }
}

TEST_F(Native, SaysHello) {
    const auto hello = prepare("native", "native_hello");
    ASSERT_TRUE(hello) << hello.error().message();
    const Answer answer = call(*hello, {});
    EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
    EXPECT_EQ(answer.outcome.exit_code, 0);
    EXPECT_EQ(answer.output, "hello\n");
    EXPECT_EQ(answer.outcome.stdout_bytes, 6U);
    EXPECT_GT(answer.outcome.peak_bytes, 0U);
}

TEST_F(Native, PassesTheEnvironmentAndNothingElse) {
    ::setenv("DECLOUD_CANARY", "do not show", 1);
    const Answer answer = probe("env", "with spaces = and more");
    EXPECT_EQ(answer.output, "MODE=env\nARGUMENT=with spaces = and more\narguments 1\n");
}

TEST_F(Native, EchoesBodiesOfAllSizes) {
    for (const std::size_t size : {0U, 1U, 65'536U, 65'537U, 5'000'000U}) {
        std::string body(size, '?');
        for (std::size_t i = 0; i < size; ++i) {
            body[i] = static_cast<char>('a' + i * 31 % 26);
        }
        const Answer answer = probe("echo", "", body);
        EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
        EXPECT_TRUE(answer.output == body) << size << " became " << answer.output.size();
    }
}

/// A body whose length nobody knows beforehand.
class StreamedBody final : public BodySource {
  public:
    explicit StreamedBody(std::size_t size) : left_(size) {}
    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override {
        const std::size_t count = std::min({target.size(), left_, std::size_t{10'000}});
        std::fill_n(target.begin(), count, std::uint8_t{'z'});
        left_ -= count;
        co_return count;
    }

  private:
    std::size_t left_;
};

TEST_F(Native, StreamsABodyOfUnknownLength) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    auto sink = std::make_shared<CollectingSink>();
    const Outcome outcome = run(sandbox_->invoke(probe_, {{"MODE", "echo"}},
        std::make_shared<StreamedBody>(1'000'000), sink, Limits{}, async::CancellationToken{}));
    EXPECT_TRUE(outcome.succeeded()) << outcome.detail;
    EXPECT_EQ(sink->bytes, Bytes(1'000'000, 'z'));
}

TEST_F(Native, AStreamedBodyAboveTheLimitEndsTheRun) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    Limits limits;
    limits.request_bytes = 100'000;
    const Outcome outcome =
        run(sandbox_->invoke(probe_, {{"MODE", "echo"}}, std::make_shared<StreamedBody>(1'000'000),
            std::make_shared<CollectingSink>(), limits, async::CancellationToken{}));
    EXPECT_EQ(outcome.end, End::limit) << outcome.detail;
}

TEST_F(Native, AProgramNeedNotReadItsBody) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    const Outcome outcome = run(sandbox_->invoke(probe_, {{"MODE", "exit"}, {"ARGUMENT", "9"}},
        std::make_shared<StreamedBody>(5'000'000), std::make_shared<CollectingSink>(), Limits{},
        async::CancellationToken{}));
    EXPECT_EQ(outcome.end, End::exited) << outcome.detail;
    EXPECT_EQ(outcome.exit_code, 9);
}

TEST_F(Native, TellsExitCodesFromSignals) {
    EXPECT_EQ(probe("exit", "42").outcome.exit_code, 42);
    const Answer aborted = probe("abort");
    EXPECT_EQ(aborted.outcome.end, End::trapped);
    EXPECT_EQ(aborted.outcome.exit_code, 128 + SIGABRT);
}

TEST_F(Native, ReadsAllOfStderrAndKeepsItsEnd) {
    Limits limits;
    limits.stderr_bytes = 1000;
    const Answer answer = probe("stderr_flood", "1000000", "", limits);
    EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
    EXPECT_EQ(answer.outcome.stderr_tail.size(), 1000U);
    EXPECT_TRUE(answer.outcome.stderr_tail.ends_with("xxthe end\n"));
}

TEST_F(Native, UnpacksOnceForManyStarts) {
    ASSERT_TRUE(prepare("native", "native_hello"));
    restart();
    const auto again = prepare("native", "native_hello", "owner", Bytes{});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(call(*again, {}).output, "hello\n");
}

TEST_F(Native, RunsManyAtOnce) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    int good = 0;
    int ended = 0;
    for (int i = 0; i < 100; ++i) {
        auto sink = std::make_shared<CollectingSink>();
        const std::string text = "call " + std::to_string(i);
        boost::asio::co_spawn(context_,
            sandbox_->invoke(probe_, {{"MODE", "echo"}},
                std::make_shared<MemoryBody>(to_bytes(text)), sink, Limits{}, {}),
            [&, sink, text](std::exception_ptr, const Outcome& outcome) {
                good += outcome.succeeded() && as_text(sink->bytes) == text ? 1 : 0;
                ++ended;
            });
    }
    context_.restart();
    while (ended < 100) {
        context_.run_one();
    }
    EXPECT_EQ(good, 100);
}

std::vector<int> children_of(int process) {
    std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", process));
    std::vector<int> children;
    for (int child = 0; file >> child;) {
        children.push_back(child);
    }
    return children;
}

TEST_F(Native, MakesSparesAgainOnceCallsPauseAndRestsThen) {
    for (int i = 0; i < 7; ++i) {
        ASSERT_EQ(probe("echo", "", "x").output, "x");
    }
    const auto launchers = children_of(::getpid());
    ASSERT_EQ(launchers.size(), 1U);
    const auto processor_time = [&] {
        std::ifstream file(fmt::format("/proc/{}/schedstat", launchers.front()));
        std::uint64_t nanoseconds = 0;
        file >> nanoseconds;
        return std::chrono::nanoseconds(nanoseconds);
    };
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    boost::asio::steady_timer timer(context_);
    const auto pass = [&](std::chrono::milliseconds time) {
        timer.expires_after(time);
        timer.async_wait([&](const boost::system::error_code&) { context_.stop(); });
        context_.restart();
        context_.run();
    };
    while (children_of(launchers.front()).size() != SandboxSettings{}.native_spares &&
           std::chrono::steady_clock::now() < until) {
        pass(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(children_of(launchers.front()).size(), SandboxSettings{}.native_spares);
    const auto used = processor_time();
    ASSERT_GT(used.count(), 0);
    pass(std::chrono::milliseconds(200));
    EXPECT_LT(processor_time() - used, std::chrono::milliseconds(50));
}

TEST_F(Native, AProgramThatCannotBeStartedIsItsOwnersFault) {
    const auto text = prepare("native", "native_script", "owner",
        testing::make_zip({{.path = "native_script", .content = "not an ELF"}}));
    ASSERT_TRUE(text) << text.error().message();
    const Answer answer = call(*text, {});
    EXPECT_EQ(answer.outcome.end, End::trapped) << answer.outcome.detail;
    EXPECT_FALSE(answer.outcome.provider_fault());
    EXPECT_NE(answer.outcome.detail.find("cannot be started"), std::string::npos);
}

TEST_F(Native, HostilePackagesAreRefusedAndLeaveNothing) {
    const std::string program = testing::read_program("native_hello");
    const std::vector<std::vector<ZipEntry>> packages{
        {{.path = "../escape", .content = "x"}},
        {{.path = "/absolute", .content = "x"}},
        {{.path = "a/../../b", .content = "x"}},
        {{.path = "link", .content = "", .mode = 0120777, .link = "/etc/passwd"}},
        {{.path = "dev/null", .content = "x"}},
        {{.path = "Proc", .content = "x"}, {.path = "proc", .content = "x"}},
        {{.path = "name", .content = "x"}, {.path = "NAME", .content = "y"}},
    };
    for (std::size_t i = 0; i < packages.size(); ++i) {
        auto entries = packages[i];
        entries.push_back({.path = "native_hello", .content = program, .mode = 0100755});
        const auto refused = run(sandbox_->prepare("bafyhostile" + std::to_string(i), "owner",
            testing::make_zip(entries),
            {.runtime = "native", .entry = "native_hello", .limits = {}}));
        EXPECT_FALSE(refused) << i;
    }
    EXPECT_FALSE(std::filesystem::exists(folder_ / "escape"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "packages" / "escape"));
    EXPECT_FALSE(std::filesystem::exists("/absolute"));
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "packages")) {
        EXPECT_FALSE(entry.path().filename().string().starts_with(".new")) << entry.path();
    }
}

}  // namespace

}  // namespace decloud::sandbox
