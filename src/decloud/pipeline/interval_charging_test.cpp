#include "interval_charging.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <vector>

namespace decloud::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr Amount kPrice(10);

/// Money for some intervals, and what became of it.
class Purse final : public protocol::PaymentHold {
  public:
    [[nodiscard]] std::optional<Address> payer() const override { return std::nullopt; }
    [[nodiscard]] Amount held() const override { return held_; }
    Result<void> extend(Amount /*more*/) override { return fail(CommonError::internal); }
    [[nodiscard]] async::Task<Result<void>> hold_interval(Amount price) override {
        EXPECT_EQ(held_, kPrice) << "the next is held once";
        if (left == 0) {
            co_return fail(CommonError::unavailable, "the purse is empty");
        }
        --left;
        held_ = held_.plus(price).value();
        co_return Result<void>{};
    }
    Result<std::string> commit_interval(Amount actual, protocol::CallSummary summary) override {
        EXPECT_EQ(held_, kPrice.plus(kPrice).value()) << "the next is held before it begins";
        if (broken) {
            return fail(CommonError::disk_full);
        }
        held_ = held_.saturating_minus(actual);
        charged.push_back(summary.interval);
        return std::string("receipt");
    }
    [[nodiscard]] async::Task<Result<void>> ready() override { co_return Result<void>{}; }
    [[nodiscard]] async::Task<Result<void>> served() override { co_return Result<void>{}; }
    Result<std::string> commit(Amount /*actual*/, protocol::CallSummary /*summary*/) override {
        return std::string();
    }
    void release(std::string_view /*reason*/) override {}

    /// Intervals after the first that there is money for.
    int left = 0;
    bool broken = false;
    std::vector<std::uint32_t> charged;

  private:
    Amount held_ = kPrice;
};

/// A stream under a clock of its own, which stands still at `until`.
class IntervalCharges : public ::testing::Test {
  protected:
    static constexpr milliseconds kInterval{1000};

    async::Task<void> wait(async::Event& ended, milliseconds time) {
        if (now_ + time > until) {
            reached_.set();
            EXPECT_TRUE(co_await ended.wait(std::chrono::minutes(1)));
            co_return;
        }
        now_ += time;
    }

    async::Task<protocol::Checked<void>> admit() {
        if (now_ >= admitted_until) {
            co_return protocol::refuse(403, protocol::Status::declined, "no more of you");
        }
        co_return protocol::Checked<void>{};
    }

    async::Task<void> stop() {
        EXPECT_FALSE(stopped_at);
        stopped_at = now_;
        reached_.set();
        co_return;
    }

    async::Task<void> stream() {
        charging.begin();
        EXPECT_TRUE(co_await reached_.wait(std::chrono::minutes(1)));
        co_await charging.end();
    }

    /// Until the clock stands or the stream was stopped.
    void run() {
        async::TaskGroup group(context_.get_executor());
        group.spawn(stream());
        context_.run();
    }

  private:
    boost::asio::io_context context_;
    async::Event reached_{context_.get_executor()};
    milliseconds now_{0};

  protected:
    milliseconds until{std::chrono::hours(1)};
    milliseconds admitted_until{std::chrono::hours(2)};
    std::optional<milliseconds> stopped_at;
    Purse purse;
    IntervalCharging charging{context_.get_executor(),
        {.hold = purse,
            .interval = kInterval,
            .most = Amount(49),
            .admit = [this] { return admit(); },
            .summary = [] { return protocol::CallSummary{}; },
            .stop = [this] { return stop(); }},
        [this](async::Event& ended, milliseconds time) { return wait(ended, time); }};
};

TEST_F(IntervalCharges, TheFirstIsWhatTheCallHolds) {
    purse.left = 100;
    until = milliseconds(700);
    run();
    EXPECT_EQ(charging.intervals(), 1U);
    EXPECT_EQ(charging.price(), kPrice);
    EXPECT_TRUE(purse.charged.empty());
    EXPECT_EQ(purse.held(), kPrice) << "nothing is held long before the next begins";
}

TEST_F(IntervalCharges, WhatWasHeldForTheNextIsNotChargedIfTheStreamEndsBefore) {
    purse.left = 100;
    until = milliseconds(999);
    run();
    EXPECT_EQ(charging.intervals(), 1U);
    EXPECT_TRUE(purse.charged.empty());
    EXPECT_EQ(purse.held(), Amount(20));
}

TEST_F(IntervalCharges, EachIsChargedOnceWhenItHasElapsed) {
    purse.left = 100;
    until = milliseconds(3500);
    run();
    EXPECT_EQ(purse.charged, (std::vector<std::uint32_t>{1, 2, 3}));
    EXPECT_EQ(charging.intervals(), 4U);
    EXPECT_FALSE(charging.stopped());
    EXPECT_FALSE(stopped_at);
}

TEST_F(IntervalCharges, WithoutMoneyTheStreamEndsWithWhatIsPaid) {
    purse.left = 2;
    run();
    EXPECT_EQ(stopped_at, milliseconds(3000));
    EXPECT_EQ(purse.charged, (std::vector<std::uint32_t>{1, 2}));
    EXPECT_EQ(charging.intervals(), 3U) << "the third is charged by the call's commit";
    EXPECT_EQ(purse.held(), kPrice);
    EXPECT_EQ(charging.stopped(), "the purse is empty");
}

TEST_F(IntervalCharges, WhoIsNotAdmittedAnyMoreIsStoppedAndHoldsNothing) {
    purse.left = 100;
    admitted_until = milliseconds(1500);
    run();
    EXPECT_EQ(stopped_at, milliseconds(2000));
    EXPECT_EQ(charging.stopped(), "no more of you");
    EXPECT_EQ(purse.held(), kPrice);
}

TEST_F(IntervalCharges, WhatCannotBeWrittenDownIsNotGoneOnWith) {
    purse.left = 100;
    purse.broken = true;
    run();
    EXPECT_EQ(stopped_at, milliseconds(1000));
    EXPECT_EQ(charging.intervals(), 1U);
}

TEST_F(IntervalCharges, NoMoreIsChargedThanWasQuoted) {
    purse.left = 100;
    run();
    EXPECT_EQ(stopped_at, milliseconds(4000));
    EXPECT_EQ(charging.intervals(), 4U);
    EXPECT_EQ(charging.stopped(), "the quote is used up");
}

TEST_F(IntervalCharges, APaymentForOneIntervalIsGoodForOne) {
    run();
    EXPECT_EQ(stopped_at, milliseconds(1000));
    EXPECT_TRUE(purse.charged.empty());
}

}  // namespace
}  // namespace decloud::pipeline
