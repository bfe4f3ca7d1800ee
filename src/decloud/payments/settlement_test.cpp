#include "escrow_test_support.hpp"
#include "running_low.hpp"

#include <gtest/gtest.h>

namespace decloud::payments {
namespace {

using testing::EscrowBench;
using testing::kAlice;
using testing::kBob;
using testing::kUsdc;
using testing::escrow_abi::encode_finalize_close;
using testing::escrow_abi::encode_request_close;

class SettlementTest : public testing::EscrowTest {};

TEST_F(SettlementTest, SaysWhatTheChainTookNotWhatItWasAskedFor) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice, kBob});
        const Bytes32 alice = co_await bench.channel_of(kAlice);
        const Bytes32 bob = co_await bench.channel_of(kBob);
        co_await bench.spend(channel_account(alice), 3000);
        co_await bench.spend(channel_account(bob), 4000);
        co_await bench.act(kBob, bench.contracts.escrow, encode_request_close(bob));
        (void)co_await bench.chain().chain.ask("evm_increaseTime", {86'400});
        co_await bench.act(kBob, bench.contracts.escrow, encode_finalize_close(bob));
        // Bob's end is not final for us, and his row is sent.
        const auto settled = (co_await bench.settle()).value();
        EXPECT_EQ(settled.rows, 1U);
        EXPECT_EQ(settled.amount, Amount(3000));
        EXPECT_EQ(co_await bench.claimed(alice), Amount(3000));
        EXPECT_EQ(co_await bench.claimed(bob), Amount(0));
        // From then on it is left out.
        EXPECT_TRUE(bench.ledger().unsettled().empty());
        const auto nothing = (co_await bench.settle()).value();
        EXPECT_EQ(nothing.rows, 0U);
        EXPECT_EQ(nothing.block, 0U);
    });
}

TEST_F(SettlementTest, ARowOfAVanishedChannelIsSentOnce) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.follow();
        const PayerAccount gone = channel_account(Bytes32{{7}});
        auto state = testing::channel(kUsdc);
        state.owner = to_string(kAlice);
        EXPECT_TRUE(bench.ledger().record_chain(gone, state));
        co_await bench.spend(gone, 5000);
        EXPECT_EQ(bench.ledger().unsettled().size(), 1U);
        const auto settled = (co_await bench.settle()).value();
        EXPECT_EQ(settled.rows, 0U);
        EXPECT_EQ(settled.amount, Amount(0));
        EXPECT_GT(settled.block, 0U);
        EXPECT_TRUE(bench.ledger().payer(gone)->missing);
        EXPECT_EQ(bench.ledger().spendable(gone), Amount(0));
        const auto nonce = (co_await bench.chain().client->nonce(bench.provider)).value();
        EXPECT_EQ((co_await bench.settle()).value().block, 0U);
        EXPECT_EQ(co_await bench.chain().client->nonce(bench.provider), nonce);
    });
}

async::Task<void> reopen_with_rows(EscrowBench& bench, std::size_t max_rows) {
    co_await bench.close();
    bench.max_rows = max_rows;
    co_await bench.open();
}

TEST_F(SettlementTest, SeveralTransactionsAreOnTheirWayAtOnceAndNoPayerInTwo) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await reopen_with_rows(bench, 1);
        co_await bench.open_channels({kAlice, kBob});
        const Bytes32 alice = co_await bench.channel_of(kAlice);
        const Bytes32 bob = co_await bench.channel_of(kBob);
        co_await bench.spend(channel_account(alice), 3000);
        const auto first = bench.flush();
        EXPECT_TRUE(co_await bench.chain().until_pool(1));
        co_await bench.spend(channel_account(alice), 1000);
        co_await bench.spend(channel_account(bob), 2000);
        const auto second = bench.flush();
        EXPECT_TRUE(co_await bench.chain().until_pool(2)) << "Alice's first row and Bob's";
        EXPECT_TRUE(co_await bench.mine_until([&] { return first->outcome && second->outcome; }));
        EXPECT_EQ(first->outcome->value().amount, Amount(3000));
        EXPECT_EQ(second->outcome->value().amount, Amount(3000));
        EXPECT_EQ(second->outcome->value().rows, 2U);
        EXPECT_EQ(co_await bench.claimed(alice), Amount(4000));
        EXPECT_EQ(co_await bench.claimed(bob), Amount(2000));
    });
}

TEST_F(SettlementTest, WhatIsUnderWayIsNotSentForTheNextWhoAsks) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice});
        const Bytes32 alice = co_await bench.channel_of(kAlice);
        co_await bench.spend(channel_account(alice), 3000);
        const auto first = bench.flush();
        EXPECT_TRUE(co_await bench.chain().until_pool(1));
        const auto nonce =
            (co_await bench.chain().client->nonce(bench.provider, chain::BlockTag::pending()))
                .value();
        const auto second = bench.flush();
        EXPECT_TRUE(co_await bench.mine_until([&] { return first->outcome && second->outcome; }));
        EXPECT_EQ(second->outcome->value().block, first->outcome->value().block);
        EXPECT_EQ((co_await bench.chain().client->nonce(bench.provider)).value(), nonce);
    });
}

TEST_F(SettlementTest, OneTransactionThatFailsDoesNotStopTheOthers) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await reopen_with_rows(bench, 1);
        const PayerAccount broken{"channel:that no transaction can name"};
        auto state = testing::channel(kUsdc);
        state.owner = to_string(kBob);
        EXPECT_TRUE(bench.ledger().record_chain(broken, state));
        co_await bench.spend(broken, 5000);
        co_await bench.open_channels({kAlice});
        const Bytes32 alice = co_await bench.channel_of(kAlice);
        co_await bench.spend(channel_account(alice), 3000);
        EXPECT_FALSE(co_await bench.settle());
        EXPECT_EQ(co_await bench.claimed(alice), Amount(3000));
    });
}

TEST_F(SettlementTest, AClosingChannelIsClaimedAtOnceIfThatIsWorthIt) {
    run([](EscrowBench& bench) -> async::Task<void> {
        bench.row_cost = Amount(1000);
        co_await reopen_with_rows(bench, 200);
        co_await bench.open_channels({kAlice, kBob});
        const Bytes32 alice = co_await bench.channel_of(kAlice);
        const Bytes32 bob = co_await bench.channel_of(kBob);
        co_await bench.spend(channel_account(alice), 2000);
        co_await bench.spend(channel_account(bob), 1999);
        co_await bench.act(kAlice, bench.contracts.escrow, encode_request_close(alice));
        co_await bench.act(kBob, bench.contracts.escrow, encode_request_close(bob));
        EXPECT_TRUE(co_await bench.mine_until([&] {
            const ChannelState* const state = bench.ledger().find(channel_account(alice));
            return state->claimed_on_chain == Amount(2000);
        }));
        co_await bench.follow();
        EXPECT_TRUE(bench.ledger().find(channel_account(bob))->closing);
        EXPECT_EQ(co_await bench.claimed(bob), Amount(0));
        // Whoever wants it all the same gets it.
        EXPECT_EQ((co_await bench.settle()).value().amount, Amount(1999));
    });
}

TEST_F(SettlementTest, AFlushEndsWhenItsCallerIsGone) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice});
        const Bytes32 id = co_await bench.channel_of(kAlice);
        co_await bench.spend(channel_account(id), 3000);
        const auto flush = bench.flush();
        EXPECT_TRUE(co_await bench.chain().until_pool(1));
        // No block comes.
        EXPECT_FALSE(flush->outcome);
        flush->gone.cancel();
        EXPECT_TRUE(co_await bench.chain().until(
            [&]() -> async::Task<bool> { co_return flush->outcome.has_value(); }));
        EXPECT_EQ(flush->outcome->error(), make_error_code(CommonError::cancelled));
        // What was begun goes on.
        EXPECT_TRUE(co_await bench.mine_until([&] { return bench.ledger().unsettled().empty(); }));
        EXPECT_EQ(co_await bench.claimed(id), Amount(3000));
    });
}

TEST_F(SettlementTest, AFlushEndsWhenTheSettlerStops) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice});
        co_await bench.spend(channel_account(co_await bench.channel_of(kAlice)), 3000);
        async::TaskGroup asking(co_await boost::asio::this_coro::executor);
        std::optional<Result<Settled>> outcome;
        asking.spawn([](Settler* by, std::optional<Result<Settled>>* into) -> async::Task<void> {
            *into = co_await by->flush({});
        }(bench.settler.get(), &outcome));
        EXPECT_TRUE(co_await bench.chain().until_pool(1));
        bench.group->cancel();
        co_await asking.join();
        EXPECT_EQ(outcome.value().error(), make_error_code(CommonError::cancelled));
    });
}

TEST_F(SettlementTest, OutcomesThatNobodyTookLeaveTheJournal) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice});
        co_await bench.spend(channel_account(co_await bench.channel_of(kAlice)), 3000);
        (void)bench.flush();
        EXPECT_TRUE(co_await bench.chain().until_pool(1));
        co_await bench.close();
        EXPECT_EQ((co_await bench.chain().journal->load_all())->size(), 1U);
        co_await bench.open();
        const auto empty = [&]() -> async::Task<bool> {
            co_await bench.chain().chain.mine();
            const auto left = co_await bench.chain().journal->load_all();
            co_return left && left->empty();
        };
        EXPECT_TRUE(co_await bench.chain().until(empty));
        EXPECT_TRUE(bench.ledger().unsettled().empty());
    });
}

TEST_F(SettlementTest, TheMetricCountsWhatTheCommandSaysRunsLow) {
    run([](EscrowBench& bench) -> async::Task<void> {
        co_await bench.open_channels({kAlice, kBob});
        const auto low = [&](double count) {
            return bench.mine_until([&bench, count] {
                return bench.gauges.value("decloud_channels_running_low") == count;
            });
        };
        EXPECT_TRUE(co_await low(0));
        const auto alice = channel_account(co_await bench.channel_of(kAlice));
        const auto bob = channel_account(co_await bench.channel_of(kBob));
        bench.clock.set(bench.channels->opened(alice));
        bench.clock.advance(std::chrono::hours(24));
        co_await bench.spend(alice, 3 * kUsdc);
        EXPECT_TRUE(co_await low(1)) << "less than a day is left at this rate";
        bench.clock.advance(std::chrono::hours(48));
        EXPECT_TRUE(co_await low(0)) << "at this rate it lasts";
        co_await bench.spend(bob, 4 * kUsdc + 600'000);
        EXPECT_TRUE(co_await low(1)) << "under a tenth";
        co_await bench.act(
            kBob, bench.contracts.escrow, encode_request_close(co_await bench.channel_of(kBob)));
        co_await bench.follow();
        EXPECT_TRUE(co_await low(0)) << "it is closing";
    });
}

}  // namespace
}  // namespace decloud::payments
