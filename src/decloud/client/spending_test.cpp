#include "spending.hpp"

#include "error.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace decloud::client {
namespace {

using testing::HasSubstr;

constexpr SpendingLimits kLimits{
    .max_price = Amount(100), .max_per_provider = Amount(300), .max_per_day = Amount(500)};

Address account(std::uint8_t number) {
    Address out;
    out.bytes.fill(number);
    return out;
}

NewPayment payment(std::uint64_t amount, const std::string& provider, std::uint8_t pay_to) {
    NewPayment out;
    out.method = "x402";
    out.account = account(1);
    out.provider = provider;
    out.pay_to = account(pay_to);
    out.resource = "https://shop/x";
    out.asset = "eip155:1/erc20:0x00";
    out.amount = Amount(amount);
    out.valid_before = {1'800'000'300};
    return out;
}

struct SpendingTest : testing::Test {
    TemporaryFolder folder;
    ManualClock clock{{1'800'000'000}};
    SpendingBook open(SpendingLimits limits = kLimits) {
        return SpendingBook::open(folder.path() / "spending.sqlite", limits, clock).value();
    }
    static void expect_refused(const Result<std::int64_t>& booked, std::string_view flag) {
        ASSERT_FALSE(booked);
        EXPECT_TRUE(booked.error() == make_error_code(ClientError::payment));
        EXPECT_THAT(booked.error().detail(), HasSubstr(std::string("help: ") + std::string(flag)));
    }
};

TEST_F(SpendingTest, EachLimitHoldsToTheUnit) {
    SpendingBook book = open();
    expect_refused(book.book(payment(101, "a", 2)), "--max-price 0.000101");
    for (const std::uint8_t receiver : std::array<std::uint8_t, 3>{2, 3, 4}) {
        ASSERT_TRUE(book.book(payment(100, "a", receiver)));
    }
    expect_refused(book.book(payment(1, "a", 5)), "--max-per-provider 0.000301");
    ASSERT_TRUE(book.book(payment(100, "b", 6)));
    ASSERT_TRUE(book.book(payment(100, "c", 7)));
    EXPECT_EQ(book.spent_today().value(), Amount(500));
    expect_refused(book.book(payment(1, "d", 8)), "--max-per-day 0.000501");
}

TEST_F(SpendingTest, AReceiverOfManyNamesHasOneLimit) {
    SpendingBook book = open();
    for (const char* name : {"a.shop", "b.shop", "c.shop"}) {
        ASSERT_TRUE(book.book(payment(100, name, 2)));
    }
    expect_refused(book.book(payment(1, "d.shop", 2)), "--max-per-provider");
}

TEST_F(SpendingTest, ADayEndsAtMidnightUtc) {
    SpendingBook book = open();
    clock.set({1'800'000'000 / 86'400 * 86'400 + 86'399});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(book.book(payment(100, "a", 2)));
    }
    expect_refused(book.book(payment(1, "a", 2)), "--max-per-provider");
    clock.advance(std::chrono::seconds(1));
    EXPECT_TRUE(book.book(payment(100, "a", 2)));
}

TEST_F(SpendingTest, OnlyWhatIsReturnedStopsCounting) {
    SpendingBook book = open();
    const auto first = book.book(payment(100, "a", 2)).value();
    const auto second = book.book(payment(100, "a", 2)).value();
    const auto third = book.book(payment(100, "a", 2)).value();
    ASSERT_TRUE(book.refused(first, "402"));
    ASSERT_TRUE(book.taken(second, {.amount = Amount(60), .transaction = {}, .receipt = "/r"}));
    expect_refused(book.book(payment(1, "a", 2)), "--max-per-provider");
    ASSERT_TRUE(book.give_back(third, "never left"));
    EXPECT_EQ(book.spent_today().value(), Amount(200));
    ASSERT_TRUE(book.give_back(second, "what was taken stays taken"));
    const auto rows = book.payments(account(1)).value();
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].state, PaymentState::refused);
    EXPECT_EQ(rows[1].state, PaymentState::taken);
    EXPECT_EQ(rows[1].taken.value(), Amount(60));
    EXPECT_EQ(rows[1].receipt, "/r");
    EXPECT_EQ(rows[2].state, PaymentState::returned);
    EXPECT_TRUE(book.payments(account(7)).value().empty());
}

TEST_F(SpendingTest, SeveralProcessesThatAreKilledPassNoLimit) {
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            SpendingBook book = open();
            while (book.book(payment(7, "a", 2))) {
            }
            (void)::raise(SIGKILL);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status));
    }
    SpendingBook book = open();
    EXPECT_EQ(book.spent_today().value(), Amount(294));
    EXPECT_EQ(book.payments(account(1))->size(), 42U);
}

}  // namespace
}  // namespace decloud::client
