#include "ledger_test_support.hpp"

#include <gtest/gtest.h>

namespace decloud::payments::testing {
namespace {

CallRecord interval_record(std::uint32_t number) {
    CallRecord record = call_record();
    record.interval = number;
    return record;
}

/// A stream that its owner pays for: at most three calls on its day.
HoldRequest capped() {
    auto wanted = request(kPayer, 1000);
    wanted.counters.push_back({"bafy|day", 3, UnixSeconds{kStart + 86400}});
    return wanted;
}

class LedgerIntervals : public LedgerTest {
  protected:
    [[nodiscard]] std::uint64_t counted() { return node().ledger().counter("bafy|day"); }
};

TEST_F(LedgerIntervals, EachCountsAsACallAndTheOneThatIsNotUsedIsGivenBack) {
    fund(10'000);
    node().run([&]() -> async::Task<void> {
        Ledger& ledger = node().ledger();
        const auto hold = co_await ledger.acquire(capped());
        EXPECT_TRUE(co_await ledger.served(*hold));
        EXPECT_EQ(counted(), 1U);
        for (std::uint32_t number = 1; number <= 2; ++number) {
            EXPECT_TRUE(co_await ledger.extend_interval(*hold, Amount(1000)));
            EXPECT_TRUE(ledger.commit_interval(*hold, Amount(1000), interval_record(number)));
            EXPECT_EQ(counted(), number + 1);
        }
        EXPECT_EQ((co_await ledger.extend_interval(*hold, Amount(1000))).error(),
            make_error_code(PaymentError::counter_exhausted));
        EXPECT_EQ(ledger.spendable(kPayer), Amount(7000)) << "nothing is held for what is refused";
        EXPECT_TRUE(ledger.commit(*hold, Amount(1000), interval_record(3)));
        EXPECT_EQ(counted(), 3U);
        EXPECT_EQ(ledger.hold(capped()).error(), make_error_code(PaymentError::counter_exhausted));
    });
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(3000));
    EXPECT_EQ(node().ledger().spent(kPayer).calls, 3U);
    EXPECT_EQ(node().ledger().running(), 0U);
}

TEST_F(LedgerIntervals, WhatWasHeldForTheNextIsGivenBackAtTheEnd) {
    fund(10'000);
    for (const bool is_released : {false, true}) {
        node().run([&]() -> async::Task<void> {
            Ledger& ledger = node().ledger();
            const auto hold = co_await ledger.acquire(capped());
            EXPECT_TRUE(co_await ledger.served(*hold));
            EXPECT_TRUE(co_await ledger.extend_interval(*hold, Amount(1000)));
            if (is_released) {
                EXPECT_TRUE(ledger.release(*hold, ReleaseReason::sandbox_failed));
            } else {
                EXPECT_TRUE(ledger.commit(*hold, Amount(1000), interval_record(1)));
            }
        });
        EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(1000));
        EXPECT_EQ(node().ledger().spendable(kPayer), Amount(9000));
        EXPECT_EQ(counted(), 1U);
    }
}

TEST_F(LedgerIntervals, GoOnOverTheEndOfASlice) {
    LedgerSettings settings = small_settings();
    settings.slice = Amount(2500);
    node_.reset();
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    fund(8000);
    node().run([&]() -> async::Task<void> {
        Ledger& ledger = node().ledger();
        const auto hold = co_await ledger.acquire(request(kPayer, 1000));
        EXPECT_TRUE(co_await ledger.served(*hold));
        for (std::uint32_t number = 1; number < 8; ++number) {
            const auto extended = co_await ledger.extend_interval(*hold, Amount(1000));
            EXPECT_TRUE(extended) << number << ": " << extended.error().message();
            EXPECT_TRUE(ledger.commit_interval(*hold, Amount(1000), interval_record(number)));
        }
        EXPECT_EQ((co_await ledger.extend_interval(*hold, Amount(1000))).error(),
            make_error_code(PaymentError::insufficient_funds));
        EXPECT_TRUE(ledger.commit(*hold, Amount(1000), interval_record(8)));
    });
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(8000));
}

TEST_F(LedgerIntervals, AChannelThatClosesIsExtendedNoFurther) {
    fund(10'000);
    node().run([&]() -> async::Task<void> {
        Ledger& ledger = node().ledger();
        const auto hold = co_await ledger.acquire(request(kPayer, 1000));
        ChannelState closing = channel(10'000);
        closing.closing = true;
        closing.block = 2;
        EXPECT_TRUE(ledger.record_chain(kPayer, closing));
        EXPECT_EQ((co_await ledger.extend_interval(*hold, Amount(1000))).error(),
            make_error_code(PaymentError::payer_stopped));
        EXPECT_TRUE(ledger.commit(*hold, Amount(1000), interval_record(1)));
    });
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(1000));
}

TEST_F(LedgerIntervals, AfterAKillTheElapsedOnesAreChargedAndTheOneUnderWayIsNot) {
    fund(10'000);
    ReceiptId second;
    node().run([&]() -> async::Task<void> {
        Ledger& ledger = node().ledger();
        auto wanted = capped();
        wanted.idempotency_key = "authorization:1";
        wanted.expires = UnixSeconds{kStart + 300};
        const auto hold = co_await ledger.acquire(std::move(wanted));
        EXPECT_TRUE(co_await ledger.served(*hold));
        EXPECT_TRUE(co_await ledger.extend_interval(*hold, Amount(1000)));
        EXPECT_TRUE(ledger.commit_interval(*hold, Amount(1000), interval_record(1)));
        EXPECT_TRUE(co_await ledger.extend_interval(*hold, Amount(1000)));
        second = ledger.commit_interval(*hold, Amount(1000), interval_record(2)).value();
        EXPECT_TRUE(co_await ledger.flush());
    });
    kill_and_reopen();
    Ledger& ledger = node().ledger();
    EXPECT_EQ(ledger.spent(kPayer).amount, Amount(2000));
    EXPECT_EQ(ledger.spent(kPayer).calls, 2U);
    EXPECT_EQ(ledger.spendable(kPayer), Amount(8000));
    EXPECT_EQ(counted(), 2U);
    EXPECT_EQ(ledger.recovery().served_released, 1U);
    const auto used = ledger.idempotency("authorization:1");
    EXPECT_EQ(used->state, CallState::released) << "never run again";
    EXPECT_EQ(used->receipt, second);
    node().run([&]() -> async::Task<void> {
        for (const bool is_folded : {false, true}) {
            const auto receipt = co_await node().ledger().receipt(second);
            EXPECT_EQ(receipt.value().call.interval, 2U);
            EXPECT_EQ(receipt.value().amount, Amount(1000));
            if (!is_folded) {
                EXPECT_TRUE(co_await node().ledger().checkpoint());
            }
        }
    });
    reopen();
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(2000));
    EXPECT_EQ(counted(), 2U);
}

}  // namespace
}  // namespace decloud::payments::testing
