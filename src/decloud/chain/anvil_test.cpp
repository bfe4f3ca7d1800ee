#include "anvil.hpp"

#include "test_support.hpp"

#include <decloud/async/timeout.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace decloud::chain {
namespace {

using testing_support::run;
using testing_support::TestChain;

// A whole state file whose newest block has this number.
bool holds_block(const std::filesystem::path& state, std::uint64_t number) {
    std::ifstream file(state, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto parsed = json::parse(text, {.max_bytes = 64U << 20U, .max_depth = 32});
    return parsed && parsed->is_object() &&
           json::uint_member(parsed->get_object(), "best_block_number") == number;
}

class AnvilTest : public testing::Test {
  protected:
    boost::asio::io_context io;
    TemporaryFolder folder;
};

TEST_F(AnvilTest, AnswersAndStops) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        EXPECT_EQ(co_await chain.client->chain_id(), 31337);
        EXPECT_TRUE(chain.process->running());
        co_await chain.stop();
        EXPECT_FALSE(chain.process->running());
    }(io.get_executor()));
}

TEST_F(AnvilTest, NamesThePortThatIsTaken) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        AnvilSettings settings = TestChain::settings();
        settings.port = chain.process->port();
        const auto second = co_await DevelopmentChain::start(executor, settings);
        EXPECT_FALSE(second);
        EXPECT_EQ(second.error(), make_error_code(CommonError::already_exists));
        EXPECT_NE(second.error().message().find(std::to_string(settings.port)), std::string::npos);
        co_await chain.stop();
    }(io.get_executor()));
}

TEST_F(AnvilTest, ShowsWhyItEndedEarly) {
    run(io, [](async::Executor executor, std::filesystem::path log) -> async::Task<void> {
        AnvilSettings settings = TestChain::settings();
        settings.log = log;
        settings.extra_arguments = {"--no-such-option"};
        const auto chain = co_await DevelopmentChain::start(executor, settings);
        EXPECT_FALSE(chain);
        EXPECT_EQ(chain.error(), make_error_code(ChainError::process));
        EXPECT_NE(chain.error().message().find("--no-such-option"), std::string::npos);
    }(io.get_executor(), folder.path() / "log"));
}

TEST_F(AnvilTest, WritesNothingAboutRequestsAndBlocks) {
    run(io, [](async::Executor executor, std::filesystem::path log) -> async::Task<void> {
        AnvilSettings settings = TestChain::settings();
        settings.log = log;
        auto chain = co_await TestChain::start(executor, settings);
        co_await chain.mine(20);
        EXPECT_TRUE(co_await chain.client->get_block(BlockTag::latest()));
        co_await chain.stop();
        EXPECT_EQ(std::filesystem::file_size(log), 0U);
    }(io.get_executor(), folder.path() / "log"));
}

TEST_F(AnvilTest, KeepsItsStateOverACleanStop) {
    run(io, [](async::Executor executor, std::filesystem::path state) -> async::Task<void> {
        AnvilSettings settings = TestChain::settings();
        settings.state = state;
        auto chain = co_await TestChain::start(executor, settings);
        co_await chain.mine(7);
        const auto before = co_await chain.client->get_block(BlockTag::latest());
        EXPECT_EQ(before.value().number, 7);
        co_await chain.stop();
        chain = co_await TestChain::start(executor, settings);
        const auto after = co_await chain.client->get_block(BlockTag::latest());
        EXPECT_EQ(after.value().hash, before->hash);
        co_await chain.stop();
    }(io.get_executor(), folder.path() / "state.json"));
}

TEST_F(AnvilTest, KeepsItsStateWhenItIsKilled) {
    run(io, [](async::Executor executor, std::filesystem::path state) -> async::Task<void> {
        AnvilSettings settings = TestChain::settings();
        settings.state = state;
        auto chain = co_await TestChain::start(executor, settings);
        co_await chain.mine(7);
        // Anvil writes it by a timer of its own.
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!holds_block(state, 7) && std::chrono::steady_clock::now() < end) {
            co_await async::delay(std::chrono::milliseconds(20));
        }
        kill(chain.process->pid(), SIGKILL);
        co_await chain.stop();
        chain = co_await TestChain::start(executor, settings);
        EXPECT_EQ(co_await chain.client->block_number(), 7);
        co_await chain.stop();
    }(io.get_executor(), folder.path() / "state.json"));
}

TEST_F(AnvilTest, EndsWithTheProcessThatStartedItEvenWhenThatIsKilled) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        boost::asio::io_context inner;
        run(inner, [](async::Executor executor, int report) -> async::Task<void> {
            auto chain = co_await TestChain::start(executor);
            const pid_t pid = chain.process->pid();
            (void)!write(report, &pid, sizeof pid);
            kill(getpid(), SIGKILL);
        }(inner.get_executor(), pipe_ends[1]));
        _exit(1);
    }
    close(pipe_ends[1]);
    pid_t anvil = 0;
    ASSERT_EQ(read(pipe_ends[0], &anvil, sizeof anvil), static_cast<ssize_t>(sizeof anvil));
    close(pipe_ends[0]);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    run(io, [](pid_t pid) -> async::Task<void> {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (kill(pid, 0) == 0 && std::chrono::steady_clock::now() < end) {
            co_await async::delay(std::chrono::milliseconds(20));
        }
        EXPECT_NE(kill(pid, 0), 0);
    }(anvil));
}

TEST(FindAnvil, PassesOverNpmsWrapper) {
    const auto wrapper =
        testing_support::source_folder() / "contracts/node_modules/@foundry-rs/anvil/bin.mjs";
    EXPECT_FALSE(find_anvil(wrapper, {}));
    const auto native = find_anvil({}, {testing_support::source_folder()});
    ASSERT_TRUE(native) << native.error().message();
    EXPECT_EQ(find_anvil(*native, {}), *native);
}

}  // namespace
}  // namespace decloud::chain
