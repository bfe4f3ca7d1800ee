#include "head_follower.hpp"

#include "test_support.hpp"

#include <decloud/async/task_group.hpp>

#include <gtest/gtest.h>

namespace decloud::chain {
namespace {

using testing_support::run;
using testing_support::TestChain;
using namespace std::chrono_literals;

class HeadFollowerTest : public testing::Test {
  protected:
    boost::asio::io_context io;
};

TEST_F(HeadFollowerTest, TellsFinalBlocksInOrderAndOnce) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        HeadFollower follower(executor, *chain.client, system_clock(), {.depth = 2});
        std::vector<std::uint64_t> told;
        const auto subscription = follower.on_finalized(
            [&told](const BlockHeader& block) { told.push_back(block.number); });
        co_await chain.mine(5);
        EXPECT_TRUE(co_await follower.poll());
        EXPECT_EQ(follower.head()->number, 5);
        EXPECT_EQ(follower.finalized()->number, 3);
        co_await chain.mine(3);
        EXPECT_TRUE(co_await follower.poll());
        EXPECT_TRUE(co_await follower.poll());
        EXPECT_EQ(told, (std::vector<std::uint64_t>{3, 4, 5, 6}));
        EXPECT_EQ(follower.reorganisations(), 0);
        co_await chain.stop();
    }(io.get_executor()));
}

TEST_F(HeadFollowerTest, SeesReorganisations) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        HeadFollower follower(executor, *chain.client, system_clock(), {.depth = 4});
        std::vector<std::uint64_t> first_changed;
        const auto subscription = follower.on_reorganisation(
            [&first_changed](std::uint64_t first) { first_changed.push_back(first); });
        co_await chain.mine(8);
        EXPECT_TRUE(co_await follower.poll());
        const Bytes32 old_head = follower.head()->hash;
        // Another content, or the same block would come again.
        (void)co_await chain.ask(
            "anvil_setCoinbase", {"0x00000000000000000000000000000000000000aa"});
        (void)co_await chain.ask("anvil_reorg", {2, json::Array{}});
        EXPECT_TRUE(co_await follower.poll());
        EXPECT_NE(follower.head()->hash, old_head);
        EXPECT_EQ(first_changed, std::vector<std::uint64_t>{7});
        EXPECT_EQ(follower.reorganisations(), 1);
        EXPECT_EQ(follower.finalized()->number, 4);
        co_await chain.stop();
    }(io.get_executor()));
}

TEST_F(HeadFollowerTest, WakesWhoWaitsForABlock) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        HeadFollower follower(executor, *chain.client, system_clock(), {.poll = 10ms, .depth = 2});
        async::TaskGroup group(executor);
        group.spawn(follower.run());
        group.spawn([](TestChain* mined) -> async::Task<void> { co_await mined->mine(4); }(&chain));
        EXPECT_TRUE(co_await follower.wait_for_head(4, 10s));
        EXPECT_TRUE(co_await follower.wait_for_finalized(2, 10s));
        EXPECT_EQ((co_await follower.wait_for_finalized(100, 50ms)).error(),
            make_error_code(CommonError::timeout));
        group.cancel();
        co_await group.join();
        co_await chain.stop();
    }(io.get_executor()));
}

TEST_F(HeadFollowerTest, SaysWhyItIsNotReadyAndRecovers) {
    TemporaryFolder folder;
    run(io, [](async::Executor executor, std::filesystem::path state) -> async::Task<void> {
        AnvilSettings settings = TestChain::settings();
        settings.state = state;
        auto chain = co_await TestChain::start(executor, settings);
        settings.port = chain.process->port();
        ManualClock clock(UnixSeconds{0});
        HeadFollower follower(executor, *chain.client, clock, {.depth = 1, .max_age = 100s});
        EXPECT_FALSE(follower.status().ready);
        co_await chain.mine(3);
        EXPECT_TRUE(co_await follower.poll());
        clock.set(follower.head()->timestamp);
        EXPECT_TRUE(follower.status().ready) << follower.status().reason;

        co_await chain.process->stop();
        EXPECT_FALSE(co_await follower.poll());
        EXPECT_FALSE(follower.status().ready);
        EXPECT_NE(follower.status().reason.find("127.0.0.1"), std::string::npos);
        EXPECT_TRUE(follower.status().may_serve_paid);
        clock.advance(100s);
        EXPECT_FALSE(follower.status().may_serve_paid);

        auto again = co_await DevelopmentChain::start(executor, settings);
        EXPECT_TRUE(again) << again.error().message();
        EXPECT_TRUE(co_await follower.poll());
        EXPECT_FALSE(follower.status().ready);
        EXPECT_NE(follower.status().reason.find("100 s old"), std::string::npos);
        follower.set_max_age(101s);
        EXPECT_TRUE(follower.status().ready) << follower.status().reason;
        follower.set_max_age(100s);
        clock.set(follower.head()->timestamp);
        EXPECT_TRUE(follower.status().ready) << follower.status().reason;
        EXPECT_TRUE(follower.status().may_serve_paid);
        co_await (*again)->stop();
        co_await chain.stop();
    }(io.get_executor(), folder.path() / "state.json"));
}

TEST_F(HeadFollowerTest, RefusesAnotherChain) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        HeadFollower follower(executor, *chain.client, system_clock(), {.chain_id = 1});
        EXPECT_EQ((co_await follower.poll()).error(), make_error_code(ChainError::wrong_chain));
        EXPECT_FALSE(follower.status().may_serve_paid);
        co_await chain.stop();
    }(io.get_executor()));
}

}  // namespace
}  // namespace decloud::chain
