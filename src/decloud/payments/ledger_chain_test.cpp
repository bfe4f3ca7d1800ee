#include "ledger.hpp"
#include "ledger_test_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace decloud::payments::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(LedgerTest, ARowThatWasNeverSentStopsTheChannelUntilItIsResumed) {
    fund(10'000);
    spend(1000);
    node().run([&]() -> async::Task<void> {
        EXPECT_TRUE(co_await node().ledger().note_sent_rows({{kPayer, kAsset, 1, Amount(1000)}}));
    });
    auto state = channel(10'000);
    state.block = 5;
    state.claimed_on_chain = Amount(1000);
    state.calls_on_chain = 1;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_FALSE(node().ledger().payer(kPayer)->stopped) << "our own row";
    state.block = 6;
    state.claimed_on_chain = Amount(3000);
    state.calls_on_chain = 3;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    const auto refused = node().ledger().hold(request(kPayer, 1000));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), make_error_code(PaymentError::payer_stopped));
    EXPECT_THAT(refused.error().detail(), HasSubstr("never sent"));
    node().run([&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().flush()); });
    kill_and_reopen();
    EXPECT_TRUE(node().ledger().payer(kPayer)->stopped);
    ASSERT_TRUE(node().ledger().resume_payer(kPayer));
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(7000)) << "what others claimed is spent";
}

TEST_F(LedgerTest, TakesTheHigherOfLogAndChainAtStart) {
    fund(10'000);
    spend(2000);
    reopen();
    auto state = channel(10'000);
    state.block = 9;
    state.claimed_on_chain = Amount(5000);
    state.calls_on_chain = 5;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_FALSE(node().ledger().payer(kPayer)->stopped);
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(5000));
    EXPECT_EQ(node().ledger().spent(kPayer).calls, 5U);
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(5000));
    state.block = 8;
    state.claimed_on_chain = Amount(1);
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_FALSE(node().ledger().payer(kPayer)->stopped) << "an older block says nothing";
    state.block = 10;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_THAT(node().ledger().payer(kPayer)->stopped.value_or(""), HasSubstr("another chain"));
}

TEST_F(LedgerTest, SettlementIsDueByAmountByAgeOnCloseAndWhenItWasLost) {
    fund(10'000);
    const SettlementThresholds thresholds{
        Amount(2000), std::chrono::seconds(60), std::chrono::seconds(600)};
    const auto due = [&](std::uint64_t after) {
        return node().ledger().settlement_due(UnixSeconds{kStart + after}, thresholds);
    };
    spend(1000);
    EXPECT_TRUE(due(59).empty());
    const std::vector<SettlementRow> one{{kPayer, kAsset, 1, Amount(1000)}};
    EXPECT_EQ(due(60), one);
    spend(1000);
    const std::vector<SettlementRow> two{{kPayer, kAsset, 2, Amount(2000)}};
    EXPECT_EQ(due(0), two);
    node().run(
        [&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().note_sent_rows(two)); });
    EXPECT_TRUE(due(599).empty());
    EXPECT_EQ(due(600), two) << "nothing became final";
    auto state = channel(10'000);
    state.claimed_on_chain = Amount(2000);
    state.calls_on_chain = 2;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_TRUE(due(10'000).empty());
    spend(500);
    EXPECT_TRUE(due(0).empty());
    state.closing = true;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_EQ(due(0), (std::vector<SettlementRow>{{kPayer, kAsset, 3, Amount(2500)}}));
    EXPECT_EQ(node().ledger().hold(request(kPayer, 1)).error(),
        make_error_code(PaymentError::payer_stopped));
}

TEST_F(LedgerTest, WhatWouldNotBringTwiceItsRowWaitsAndIsGivenUpWhenItsChannelCloses) {
    fund(10'000);
    SettlementThresholds thresholds{Amount(5000)};
    thresholds.row_cost = Amount(600);
    const auto due = [&] {
        return node().ledger().settlement_due(UnixSeconds{kStart + 9999}, thresholds).size();
    };
    spend(1000);
    EXPECT_EQ(due(), 0U) << "by age";
    spend(199);
    EXPECT_EQ(due(), 0U);
    spend(1);
    EXPECT_EQ(due(), 1U) << "twice the row";
    node().run([&]() -> async::Task<void> {
        EXPECT_TRUE(co_await node().ledger().note_sent_rows({{kPayer, kAsset, 3, Amount(1200)}}));
    });
    auto state = channel(10'000);
    state.claimed_on_chain = Amount(1200);
    state.calls_on_chain = 3;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    spend(1000);
    state.closing = true;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_EQ(due(), 0U) << "closing: what is claimed already does not count";
    thresholds.row_cost = Amount(500);
    EXPECT_EQ(due(), 1U);
}

TEST_F(LedgerTest, AskedToSettleItLeavesOutWhatTheContractWouldSkip) {
    fund(10'000);
    spend(1000);
    const std::vector<SettlementRow> row{{kPayer, kAsset, 1, Amount(1000)}};
    EXPECT_EQ(node().ledger().unsettled(), row);
    auto state = channel(10'000);
    state.closing = true;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_EQ(node().ledger().unsettled(), row) << "a closing channel still pays";
    state.is_final = true;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    EXPECT_TRUE(node().ledger().unsettled().empty());

    const PayerAccount stopped{"channel:0x02"};
    ASSERT_TRUE(node().ledger().record_chain(stopped, channel(10'000)));
    node().run([&]() -> async::Task<void> {
        const auto hold = co_await node().ledger().acquire(request(stopped, 1000));
        EXPECT_TRUE(node().ledger().commit(hold.value(), Amount(1000), call_record()));
    });
    EXPECT_EQ(node().ledger().unsettled().size(), 1U);
    auto foreign = channel(10'000);
    foreign.claimed_on_chain = Amount(500);
    foreign.calls_on_chain = 1;
    ASSERT_TRUE(node().ledger().record_chain(stopped, foreign));
    ASSERT_TRUE(node().ledger().payer(stopped)->stopped);
    EXPECT_TRUE(node().ledger().unsettled().empty());
    ASSERT_TRUE(node().ledger().resume_payer(stopped));
    EXPECT_EQ(node().ledger().unsettled().size(), 1U);
}

TEST_F(LedgerTest, ANotedRowThatWasNeverBroadcastIsDueAfterAStart) {
    fund(10'000);
    spend(1000);
    node().run([&]() -> async::Task<void> {
        EXPECT_TRUE(co_await node().ledger().note_sent_rows({{kPayer, kAsset, 1, Amount(1000)}}));
    });
    kill_and_reopen();
    ASSERT_TRUE(node().ledger().record_chain(kPayer, channel(10'000)));
    EXPECT_EQ(node().ledger().settlement_due(UnixSeconds{kStart + 1}, {Amount(5000)}).size(), 1U);
}

TEST_F(LedgerTest, AClaimThatAReorganisationUndidIsDueAgainAndMayComeAgain) {
    fund(10'000);
    spend(2000);
    const std::vector<SettlementRow> row{{kPayer, kAsset, 2, Amount(2000)}};
    node().run(
        [&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().note_sent_rows(row)); });
    auto claimed = channel(10'000);
    claimed.block = 9;
    claimed.claimed_on_chain = Amount(2000);
    claimed.calls_on_chain = 2;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, claimed));
    EXPECT_TRUE(node().ledger().unsettled().empty());
    auto undone = channel(10'000);
    undone.block = 8;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, undone, ChainMove::rolled_back));
    EXPECT_FALSE(node().ledger().payer(kPayer)->stopped);
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(2000));
    EXPECT_EQ(node().ledger().settlement_due(UnixSeconds{kStart + 1}, {Amount(5000)}), row);
    ASSERT_TRUE(node().ledger().record_chain(kPayer, claimed));
    EXPECT_FALSE(node().ledger().payer(kPayer)->stopped) << "it is our own row";
    EXPECT_TRUE(node().ledger().unsettled().empty());
}

TEST_F(LedgerTest, AChannelThatIsGoneIsNeitherServedNorSentUntilItIsSeenAgain) {
    fund(10'000);
    spend(1000);
    node().run([&]() -> async::Task<void> {
        EXPECT_TRUE(co_await node().ledger().note_sent_rows({{kPayer, kAsset, 1, Amount(1000)}}));
    });
    auto state = channel(10'000);
    state.claimed_on_chain = Amount(1000);
    state.calls_on_chain = 1;
    state.block = 5;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    spend(500);
    ASSERT_TRUE(node().ledger().record_missing(kPayer));
    EXPECT_TRUE(node().ledger().payer(kPayer)->missing);
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(0));
    EXPECT_TRUE(node().ledger().unsettled().empty());
    EXPECT_TRUE(node().ledger().settlement_due(UnixSeconds{kStart + 9999}, {Amount(1)}).empty());
    node().run([&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().flush()); });
    kill_and_reopen();
    node().ledger().confirm_chain(kPayer);
    EXPECT_TRUE(node().ledger().payer(kPayer)->missing) << "also after a start";
    auto again = channel(10'000);
    again.block = 4;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, again));
    EXPECT_FALSE(node().ledger().payer(kPayer)->stopped);
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(8500));
    EXPECT_EQ(node().ledger().unsettled(),
        (std::vector<SettlementRow>{{kPayer, kAsset, 2, Amount(1500)}}));
}

TEST_F(LedgerTest, GivesTheSliceOfAFinalChannelBackOnceNothingRuns) {
    fund(10'000);
    const auto running = node().ledger().hold(request(kPayer, 3000));
    ASSERT_TRUE(running);
    spend(1000);
    EXPECT_EQ(node().granted(kPayer), Amount(10'000));
    auto state = channel(10'000);
    state.is_final = true;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    node().run([&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().flush()); });
    EXPECT_EQ(node().granted(kPayer), Amount(10'000)) << "a call is still running";
    EXPECT_TRUE(node().ledger().commit(*running, Amount(2000), call_record()));
    reopen();
    EXPECT_EQ(node().granted(kPayer), Amount(3000));
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(3000));
}

TEST_F(LedgerTest, AfterAStartItGivesBackWhatAKillKept) {
    fund(10'000);
    spend(1000);
    auto state = channel(10'000);
    state.is_final = true;
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    kill_and_reopen();
    ASSERT_TRUE(node().ledger().record_chain(kPayer, state));
    reopen();
    EXPECT_EQ(node().granted(kPayer), Amount(1000));
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(1000));
}

/// Calls, channels that close and open again, starts and kills in any order.
class SliceWalk {
  public:
    SliceWalk(std::function<Node&()> node, std::uint32_t seed)
        : node_(std::move(node)), random_(seed) {}

    void step() {
        const std::uint32_t what = random_() % 8;
        if (what < 4) {
            hold(1 + random_() % 900);
        } else if (what < 6) {
            end();
        } else {
            final_ = what == 6;
            auto state = channel(1'000'000, 1);
            state.is_final = final_;
            state.block = ++block_;
            EXPECT_TRUE(node_().ledger().record_chain(kPayer, state, ChainMove::rolled_back));
        }
    }

    void end_all() {
        while (!holds_.empty()) {
            end();
        }
    }

    [[nodiscard]] Amount held() const {
        Amount sum;
        for (const auto& [id, amount] : holds_) {
            sum = Amount(sum.units() + amount.units());
        }
        return sum;
    }

    Amount spent;

  private:
    void hold(std::uint64_t amount) {
        node_().run([&]() -> async::Task<void> {
            const auto held = co_await node_().ledger().acquire(request(kPayer, amount));
            EXPECT_EQ(held.has_value(), !final_);
            if (held) {
                holds_.emplace_back(*held, Amount(amount));
            }
        });
    }

    void end() {
        if (holds_.empty()) {
            return;
        }
        const auto [id, amount] = holds_.back();
        holds_.pop_back();
        if (random_() % 2 == 0) {
            EXPECT_TRUE(node_().ledger().release(id, ReleaseReason::other));
            return;
        }
        EXPECT_TRUE(node_().ledger().commit(id, amount, call_record()));
        spent = Amount(spent.units() + amount.units());
    }

    std::function<Node&()> node_;
    std::mt19937 random_;
    std::vector<std::pair<HoldId, Amount>> holds_;
    bool final_ = false;
    std::uint64_t block_ = 1;
};

TEST_F(LedgerTest, SlicesNeitherGetLostNorDoubledHoweverChannelsEnd) {
    node_.reset();
    auto settings = small_settings();
    settings.slice = Amount(1000);
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    fund(1'000'000, 1);
    for (std::uint32_t seed = 1; seed <= 12; ++seed) {
        SliceWalk walk([this]() -> Node& { return node(); }, seed);
        walk.spent = node().ledger().spent(kPayer).amount;
        for (int i = 0; i < 60; ++i) {
            walk.step();
            EXPECT_EQ(node().ledger().spent(kPayer).amount, walk.spent);
            EXPECT_GE(node().granted(kPayer), Amount(walk.spent.units() + walk.held().units()));
        }
        walk.end_all();
        auto state = channel(1'000'000, 1);
        state.is_final = true;
        state.block = 1000 + seed;
        EXPECT_TRUE(node().ledger().record_chain(kPayer, state));
        // A lease that ends while the ledger closes is given back after the next start.
        for (int start = 0; start < 2; ++start) {
            node_.reset();
            node_ = std::make_unique<Node>(folder_.path() / "home", settings);
            node().ledger().confirm_chain(kPayer);
        }
        EXPECT_EQ(node().ledger().spent(kPayer).amount, walk.spent);
        EXPECT_EQ(node().granted(kPayer), walk.spent) << "seed " << seed;
        EXPECT_TRUE(
            node().ledger().record_chain(kPayer, channel(1'000'000, 1), ChainMove::rolled_back));
    }
}

}  // namespace
}  // namespace decloud::payments::testing
