#include "../testing/fixture.hpp"

#include <decloud/async/event.hpp>

#include <fstream>

namespace decloud::sandbox {

namespace {

using testing::Answer;
using testing::CollectingSink;
using End = Outcome::End;

class Wasm : public testing::SandboxTest {
  protected:
    Wasm() { runtime_ = "wasm"; }
};

/// Gives the pieces it is told to give, when it is told to.
class PiecewiseBody final : public BodySource {
  public:
    explicit PiecewiseBody(async::Executor executor) : more_(std::move(executor)) {}
    void add(std::string piece) {
        pieces_ += piece;
        more_.set();
    }
    void end() {
        ended_ = true;
        more_.set();
    }
    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override {
        while (pieces_.empty() && !ended_) {
            more_.reset();
            CO_TRY_VOID(co_await more_.wait(std::chrono::seconds(30)));
        }
        const std::size_t count = std::min(target.size(), pieces_.size());
        std::copy_n(pieces_.begin(), count, target.begin());
        pieces_.erase(0, count);
        co_return count;
    }

  private:
    async::Event more_;
    std::string pieces_;
    bool ended_ = false;
};

TEST_F(Wasm, SaysHello) {
    const auto hello = prepare("wasm", "wasm_hello");
    ASSERT_TRUE(hello) << hello.error().message();
    const Answer answer = call(*hello, {});
    EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
    EXPECT_EQ(answer.output, "hello\n");
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(answer.outcome.stdout_bytes, 6U);
}

TEST_F(Wasm, PassesTheEnvironmentAndNothingElse) {
    const Answer answer = probe("env", "with spaces = and more");
    EXPECT_EQ(answer.output, "MODE=env\nARGUMENT=with spaces = and more\n");
}

TEST_F(Wasm, GivesTheExitCode) {
    EXPECT_EQ(probe("exit", "0").outcome.exit_code, 0);
    const Answer answer = probe("exit", "42");
    EXPECT_EQ(answer.outcome.end, End::exited);
    EXPECT_EQ(answer.outcome.exit_code, 42);
}

TEST_F(Wasm, EchoesBodiesOfAllSizes) {
    for (const std::size_t size : {0U, 1U, 1000U, 65'536U, 98'304U, 98'305U, 3'000'000U}) {
        std::string body(size, '?');
        for (std::size_t i = 0; i < size; ++i) {
            body[i] = static_cast<char>('a' + i * 31 % 26);
        }
        const Answer answer = probe("echo", "", body);
        EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
        EXPECT_TRUE(answer.output == body) << size << " became " << answer.output.size();
    }
}

TEST_F(Wasm, EveryRunHasAFreshInstance) {
    EXPECT_EQ(probe("counter").output, "1\n");
    EXPECT_EQ(probe("counter").output, "1\n");
}

TEST_F(Wasm, StreamsBothWaysAtTheSameTime) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    auto body = std::make_shared<PiecewiseBody>(context_.get_executor());
    auto sink = std::make_shared<CollectingSink>();
    std::vector<std::string> seen;
    int answered = 0;
    sink->on_write = [&] {
        // The next line of the conversation goes in only after its question has come out.
        const std::string wanted = "ready " + std::to_string(answered);
        if (as_text(sink->bytes).find(wanted) != std::string_view::npos) {
            body->add("line " + std::to_string(answered++));
        }
    };
    const Outcome outcome = run(sandbox_->invoke(
        probe_, {{"MODE", "converse"}}, body, sink, Limits{}, async::CancellationToken{}));
    EXPECT_EQ(outcome.end, End::exited) << outcome.detail;
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(
        as_text(sink->bytes), "ready 0\ngot line 0\nready 1\ngot line 1\nready 2\ngot line 2\n");
}

TEST_F(Wasm, KeepsTheEndOfStderr) {
    Limits limits;
    limits.stderr_bytes = 20;
    const Answer answer = probe("stderr", "1000", "", limits);
    EXPECT_EQ(answer.outcome.stderr_tail, "7\nline 998\nline 999\n");
}

TEST_F(Wasm, SleepsAsLongAsItWants) {
    const Answer answer = probe("sleep", "60");
    EXPECT_EQ(answer.output, "slept\n");
}

TEST_F(Wasm, DeliversWhatWasWrittenBeforeAFailure) {
    const Answer answer = probe("print_exit", "3");
    EXPECT_EQ(answer.outcome.exit_code, 3);
    EXPECT_EQ(answer.output, "partial\n");
}

TEST_F(Wasm, WritesInPiecesIfTheSinkWantsThat) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    auto sink = std::make_shared<CollectingSink>();
    sink->accept_whole = false;
    const Outcome outcome = run(sandbox_->invoke(probe_, {{"MODE", "print_exit"}},
        std::make_shared<MemoryBody>(Bytes{}), sink, Limits{}, async::CancellationToken{}));
    EXPECT_EQ(outcome.end, End::exited);
    EXPECT_EQ(sink->writes, 1U);
    EXPECT_EQ(as_text(sink->bytes), "partial\n");
}

TEST_F(Wasm, CompilesOnceForManyStarts) {
    ASSERT_TRUE(prepare("wasm", "wasm_hello"));
    restart();
    EXPECT_TRUE(sandbox_->is_prepared(
        "bafytesthellowasm", "owner", {.runtime = "wasm", .entry = "wasm_hello", .limits = {}}));
    // No package this time: it must come from the cache.
    const auto again = prepare("wasm", "wasm_hello", "owner", Bytes{});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(call(*again, {}).output, "hello\n");
}

TEST_F(Wasm, DiscardsADamagedCacheFileAndCompilesAgain) {
    ASSERT_TRUE(prepare("wasm", "wasm_hello"));
    restart();
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "wasm")) {
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(entry.path()) / 2));
        file.put('\x5a');
    }
    EXPECT_FALSE(prepare("wasm", "wasm_hello", "owner", Bytes{}));
    const auto again = prepare("wasm", "wasm_hello");
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(call(*again, {}).output, "hello\n");
}

TEST_F(Wasm, RunsManyAtOnce) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    const auto one = [&](int number) -> async::Task<bool> {
        auto sink = std::make_shared<CollectingSink>();
        const std::string text = "call " + std::to_string(number);
        const Outcome outcome = co_await sandbox_->invoke(probe_, {{"MODE", "echo"}},
            std::make_shared<MemoryBody>(to_bytes(text)), sink, Limits{}, {});
        co_return outcome.succeeded() && as_text(sink->bytes) == text;
    };
    int good = 0;
    int ended = 0;
    for (int i = 0; i < 300; ++i) {
        boost::asio::co_spawn(context_, one(i), [&](std::exception_ptr, bool ok) {
            good += ok ? 1 : 0;
            ++ended;
        });
    }
    context_.restart();
    while (ended < 300) {
        context_.run_one();
    }
    EXPECT_EQ(good, 300);
}

TEST_F(Wasm, RefusesWhatIsNotAProgram) {
    const auto text = prepare("wasm", "wasm_hello", "owner",
        testing::make_zip({{.path = "wasm_hello", .content = "not wasm at all"}}));
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error(), make_error_code(CommonError::invalid_input));
    const auto missing =
        prepare("wasm", "wasm_hello", "owner", testing::make_zip({{.path = "a", .content = "b"}}));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error(), make_error_code(CommonError::invalid_input));
    EXPECT_NE(missing.error().message().find("wasm_hello"), std::string::npos);
}

TEST_F(Wasm, RefusesAManifestAboveTheMaximumAndAnUnknownRuntime) {
    Manifest manifest{.runtime = "wasm", .entry = "wasm_hello", .limits = {}};
    manifest.limits.memory_bytes = 64 * kGiB;
    const auto large =
        run(sandbox_->prepare("bafyx", "owner", testing::program_package("wasm_hello"), manifest));
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error(), make_error_code(CommonError::limit_exceeded));
    const auto unknown = run(
        sandbox_->prepare("bafyx", "owner", {}, {.runtime = "cobol", .entry = "", .limits = {}}));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error(), make_error_code(CommonError::not_found));
}

}  // namespace

}  // namespace decloud::sandbox
