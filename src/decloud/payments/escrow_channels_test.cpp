#include "escrow_channels.hpp"

#include "escrow_test_support.hpp"

#include <decloud/store/error.hpp>

#include <gtest/gtest.h>

namespace decloud::payments {
namespace {

using testing::EscrowBench;
using testing::kAlice;
using testing::kBob;
using testing::kUsdc;

class EscrowChannelsTest : public testing::EscrowTest {};

TEST_F(EscrowChannelsTest, AStartReadsOnlyWhatIsNew) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice});
        const auto account = channel_account(co_await bench.channel_of(kAlice));
        const UnixSeconds opened = bench.channels->opened(account);
        EXPECT_GT(opened.value, 0);
        co_await bench.spend(account, 3000);
        co_await bench.follow_durably();
        const auto followed = bench.channels->followed();
        co_await bench.close();
        co_await bench.open(false);
        EXPECT_LE(bench.channels->followed(), followed);
        EXPECT_GT(bench.channels->followed(), 5);
        co_await bench.finalize();
        EXPECT_TRUE(co_await bench.channels->catch_up());
        const auto money = co_await bench.channels->find(kAlice);
        EXPECT_TRUE(money && money->channel && money->channel->price == Amount(1000));
        EXPECT_EQ(bench.channels->opened(account), opened);
        EXPECT_EQ(bench.wire->calls, 0) << "what did not change is not asked for again";
        EXPECT_EQ(bench.wire->log_queries, 1);
        EXPECT_EQ(
            bench.ledger()
                .settlement_due(UnixSeconds{testing::kStart + 100}, {.payer_amount = Amount(1)})
                .size(),
            1U)
            << "the chain counts as heard";
        // What changes afterwards is still seen.
        co_await bench.approve(kAlice, 1000, kUsdc);
        co_await bench.finalize();
        EXPECT_TRUE(co_await bench.channels->catch_up());
        EXPECT_EQ(bench.ledger().payer(account)->chain.reserved, Amount(Uint128{6} * kUsdc));
    });
}

TEST_F(EscrowChannelsTest, ATrialIsKnownAgainAfterAStart) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.act(bench.provider, bench.contracts.escrow,
            testing::escrow_abi::encode_grant_trial(kBob, 10, testing::kStart + 1000));
        co_await bench.follow_durably();
        co_await bench.close();
        co_await bench.open(false);
        co_await bench.finalize();
        EXPECT_TRUE(co_await bench.channels->catch_up());
        EXPECT_TRUE((co_await bench.channels->find(kBob)).value().trial);
        bench.clock.advance(std::chrono::seconds(1000));
        EXPECT_FALSE((co_await bench.channels->find(kBob)).value().trial);
        EXPECT_EQ(bench.wire->calls, 0);
    });
}

TEST_F(EscrowChannelsTest, GoesBackAfterAReorganisationWhileItWasDown) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.deposit(kAlice, 10 * kUsdc);
        co_await bench.deposit(kBob, 10 * kUsdc);
        co_await bench.approve(kBob, 1000, 5 * kUsdc);
        co_await bench.follow();
        const json::Value before = co_await bench.chain().chain.ask("evm_snapshot");
        co_await bench.approve(kAlice, 1000, 5 * kUsdc);
        const auto gone = channel_account(co_await bench.channel_of(kAlice));
        co_await bench.follow();
        co_await bench.spend(gone, 2000);
        const auto followed = bench.channels->followed().value();
        co_await bench.close();
        (void)co_await bench.chain().chain.ask("evm_revert", {before});
        co_await bench.chain().chain.mine(followed);
        co_await bench.open();
        co_await bench.follow();
        EXPECT_TRUE(bench.ledger().payer(gone)->missing);
        EXPECT_TRUE(bench.ledger().unsettled().empty());
        EXPECT_FALSE((co_await bench.channels->find(kAlice)).value().channel);
        EXPECT_TRUE((co_await bench.channels->find(kBob)).value().channel) << "still there";
        // The same channel again: what was served on it is owed.
        co_await bench.approve(kAlice, 1000, 4 * kUsdc);
        co_await bench.follow();
        EXPECT_FALSE(bench.ledger().payer(gone)->stopped);
        EXPECT_EQ(bench.ledger().spendable(gone), Amount(Uint128{4} * kUsdc - 2000));
        EXPECT_TRUE((co_await bench.channels->find(kAlice)).value().channel);
    });
}

TEST_F(EscrowChannelsTest, AClaimThatAReorganisationUndidIsMadeAgain) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice});
        const Bytes32 id = co_await bench.channel_of(kAlice);
        co_await bench.spend(channel_account(id), 2000);
        co_await bench.chain().chain.mine(10);
        EXPECT_EQ((co_await bench.settle()).value().amount, Amount(2000));
        EXPECT_EQ(co_await bench.claimed(id), Amount(2000));
        (void)co_await bench.chain().chain.ask("anvil_reorg", {8, json::Array{}});
        EXPECT_EQ(co_await bench.claimed(id), Amount(0));
        co_await bench.follow();
        EXPECT_TRUE(co_await bench.mine_until([&] { return bench.ledger().unsettled().empty(); }));
        EXPECT_EQ(co_await bench.claimed(id), Amount(2000));
        EXPECT_FALSE(bench.ledger().payer(channel_account(id))->stopped);
        co_await bench.spend(channel_account(id), 500);
        EXPECT_EQ((co_await bench.settle()).value().amount, Amount(500));
    });
}

TEST_F(EscrowChannelsTest, ACursorOfANewerDecloudIsRefusedByName) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.follow();
        Bytes cursor = bench.records->get("escrow/cursor").value().value();
        cursor[0] = 2;
        EXPECT_TRUE(bench.records->put("escrow/cursor", cursor));
        const auto refused = co_await bench.channels->start();
        EXPECT_EQ(refused.error(), make_error_code(StoreError::newer_format));
        EXPECT_NE(refused.error().message().find("escrow/cursor"), std::string::npos);
        cursor[0] = 1;
        cursor.pop_back();
        EXPECT_TRUE(bench.records->put("escrow/cursor", cursor));
        EXPECT_EQ((co_await bench.channels->start()).error(), make_error_code(StoreError::damaged));
        EXPECT_TRUE(bench.records->remove("escrow/cursor"));
    });
}

Address stranger(int number) {
    Address out;
    out.bytes[0] = 0xee;
    out.bytes[19] = static_cast<std::uint8_t>(number);
    return out;
}

async::Task<void> find_into(EscrowChannels* channels, Address payer, int* found) {
    *found += (co_await channels->find(payer)) ? 1 : 0;
}

TEST_F(EscrowChannelsTest, StrangersCannotHammerTheChain) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.follow();
        bench.group->cancel();
        co_await bench.group->join();
        async::TaskGroup asking(co_await boost::asio::this_coro::executor);
        const int before = bench.wire->calls;
        int found = 0;
        for (int i = 0; i < 40; ++i) {
            asking.spawn(find_into(bench.channels.get(), kBob, &found));
        }
        for (int i = 0; i < 40; ++i) {
            asking.spawn(find_into(bench.channels.get(), stranger(i), &found));
        }
        co_await asking.join();
        EXPECT_EQ(found, 80);
        EXPECT_EQ(bench.wire->calls - before, 41) << "one for each payer";
        EXPECT_LE(bench.wire->most_under_way, 8);
        int again = 0;
        co_await find_into(bench.channels.get(), kBob, &again);
        EXPECT_EQ(bench.wire->calls - before, 41) << "until there is another final block";
        co_await bench.finalize();
        co_await find_into(bench.channels.get(), kBob, &again);
        EXPECT_EQ(bench.wire->calls - before, 42);
        EXPECT_EQ(again, 2);
    });
}

TEST_F(EscrowChannelsTest, ALateAnswerDoesNotPutAnOlderChannelBack) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.deposit(kAlice, 10 * kUsdc);
        co_await bench.close();
        co_await bench.open(false);
        co_await bench.approve(kAlice, 1000, 5 * kUsdc);
        const Bytes32 older = co_await bench.channel_of(kAlice);
        co_await bench.finalize();
        async::TaskGroup asking(co_await boost::asio::this_coro::executor);
        bench.wire->keep_back = 1;
        int found = 0;
        asking.spawn(find_into(bench.channels.get(), kAlice, &found));
        EXPECT_TRUE(co_await bench.wire->arrived.wait(chain::testing_support::kLimit));
        co_await bench.approve(kAlice, 2000, 4 * kUsdc);
        const Bytes32 newer = co_await bench.channel_of(kAlice);
        EXPECT_NE(older, newer);
        co_await bench.finalize();
        EXPECT_TRUE(co_await bench.channels->catch_up());
        bench.wire->released.set();
        co_await asking.join();
        EXPECT_EQ(found, 1);
        const auto money = (co_await bench.channels->find(kAlice)).value();
        EXPECT_TRUE(money.channel && money.channel->id == newer);
        EXPECT_TRUE(bench.ledger().payer(channel_account(older))->chain.closing);
    });
}

TEST_F(EscrowChannelsTest, ARefreshSeesMoneyBeforeItIsFollowed) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.deposit(kAlice, 10 * kUsdc);
        co_await bench.approve(kAlice, 1000, kUsdc);
        co_await bench.follow();
        const auto account = channel_account(co_await bench.channel_of(kAlice));
        bench.group->cancel();
        co_await bench.group->join();
        co_await bench.approve(kAlice, 1000, 3 * kUsdc);
        co_await bench.chain().chain.mine(chain::testing_support::kDepth);
        EXPECT_EQ(bench.ledger().payer(account)->chain.reserved, Amount(kUsdc));
        EXPECT_TRUE(co_await bench.channels->refresh(kAlice));
        EXPECT_EQ(bench.ledger().payer(account)->chain.reserved, Amount(Uint128{4} * kUsdc));
    });
}

}  // namespace
}  // namespace decloud::payments
