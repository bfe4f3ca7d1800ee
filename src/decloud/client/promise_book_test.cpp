#include "promise_book.hpp"

#include "error.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

namespace decloud::client {
namespace {

const std::string kProvider = "eip155:31337:0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const std::string kAnna = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
const AssetId kUsdc{"eip155:31337/erc20:0x01"};

class PromiseBookTest : public ::testing::Test {
  protected:
    PromiseBook open() {
        return PromiseBook::open(folder_.path() / "promises.sqlite",
            {.max_price = Amount(1000), .max_per_provider = Amount(5000)}, clock_)
            .value();
    }
    static protocol::Promise promise(std::uint64_t amount) {
        return {.id = kAnna,
            .amount = Amount(amount),
            .currency = kUsdc,
            .due = {1'795'233'600},
            .threshold = Amount(3000)};
    }
    static OwnDebt told(std::uint64_t promised, std::uint64_t paid) {
        return {.key = {.provider = kProvider, .id = kAnna, .currency = kUsdc},
            .node = "alice.decloud",
            .signed_for = {},
            .promised = Amount(promised),
            .paid = Amount(paid)};
    }

    TemporaryFolder folder_;
    ManualClock clock_{UnixSeconds{1'795'230'000}};
};

TEST_F(PromiseBookTest, APromiseIsOnDiskBeforeItLeaves) {
    ASSERT_TRUE(open().make(kProvider, "alice.decloud", promise(1000)));
    PromiseBook again = open();
    const auto debts = again.debts().value();
    ASSERT_EQ(debts.size(), 1U);
    EXPECT_EQ(debts[0].signed_for, Amount(1000));
    EXPECT_EQ(debts[0].owed(), Amount());
    EXPECT_EQ(debts[0].node, "alice.decloud");
    EXPECT_EQ(debts[0].threshold, Amount(3000));
    EXPECT_FALSE(debts[0].told);
}

TEST_F(PromiseBookTest, WhatWasRefusedIsNoDebt) {
    PromiseBook book = open();
    ASSERT_TRUE(book.make(kProvider, "alice.decloud", promise(1000)));
    ASSERT_TRUE(book.make(kProvider, "alice.decloud", promise(400)));
    ASSERT_TRUE(book.returned(kProvider, promise(400)));
    EXPECT_EQ(book.debts().value()[0].signed_for, Amount(1000));
}

TEST_F(PromiseBookTest, TheLimitsHoldAndPayingMakesRoom) {
    PromiseBook book = open();
    EXPECT_EQ(
        book.make(kProvider, "a", promise(1001)).error(), make_error_code(ClientError::payment));
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(book.make(kProvider, "a", promise(1000)));
    }
    EXPECT_EQ(book.make(kProvider, "a", promise(1)).error(), make_error_code(ClientError::payment));
    ASSERT_TRUE(book.note(told(5000, 2000)));
    EXPECT_TRUE(book.make(kProvider, "a", promise(1000)));
}

TEST_F(PromiseBookTest, ANodeCannotClaimMoreThanWasPromisedOrForgetWhatWasPaid) {
    PromiseBook book = open();
    ASSERT_TRUE(book.make(kProvider, "a", promise(1000)));
    EXPECT_EQ(book.note(told(1001, 0)).error(), make_error_code(ClientError::payment));
    ASSERT_TRUE(book.note(told(900, 500)));
    EXPECT_EQ(book.note(told(900, 499)).error(), make_error_code(ClientError::payment));
    EXPECT_EQ(book.note(told(900, 901)).error(), make_error_code(ClientError::payment));
    EXPECT_EQ(book.debts().value()[0].owed(), Amount(400));
}

TEST_F(PromiseBookTest, WhatWasNeverChargedIsForgottenWhenItsTimeIsOver) {
    PromiseBook book = open();
    ASSERT_TRUE(book.make(kProvider, "a", promise(1000)));
    ASSERT_TRUE(book.note(told(300, 0)));
    EXPECT_EQ(book.debts().value()[0].signed_for, Amount(1000));
    clock_.advance(std::chrono::hours(2));
    ASSERT_TRUE(book.note(told(300, 0)));
    EXPECT_EQ(book.debts().value()[0].signed_for, Amount(300));
}

TEST_F(PromiseBookTest, NoPaymentIsSentWhileAnotherMayStillBeTaken) {
    PromiseBook book = open();
    const DebtKey key{.provider = kProvider, .id = kAnna, .currency = kUsdc};
    const auto until = [this] { return UnixSeconds{clock_.unix_seconds().value + 600}; };
    ASSERT_TRUE(book.make(kProvider, "a", promise(1000)));
    ASSERT_TRUE(book.attempt(key, Amount(900), Amount(), until()));
    EXPECT_FALSE(open().attempt(key, Amount(900), Amount(), until()));
    // The node has taken it, and more is owed since.
    ASSERT_TRUE(book.attempt(key, Amount(100), Amount(900), until()));
    ASSERT_TRUE(book.withdraw(key, Amount(100)));
    ASSERT_TRUE(book.attempt(key, Amount(100), Amount(900), until()));
    clock_.advance(std::chrono::minutes(11));
    EXPECT_TRUE(book.attempt(key, Amount(100), Amount(900), until()));
}

TEST_F(PromiseBookTest, AProviderThatAcknowledgesNothingGetsNoMoreThanItsLimit) {
    PromiseBook book = open();
    const DebtKey key{.provider = kProvider, .id = kAnna, .currency = kUsdc};
    ASSERT_TRUE(book.make(kProvider, "a", promise(1000)));
    std::uint64_t sent = 0;
    for (int i = 0; i < 100; ++i) {
        const UnixSeconds until{clock_.unix_seconds().value + 600};
        if (book.attempt(key, Amount(900), Amount(), until)) {
            sent += 900;
        }
        clock_.advance(std::chrono::minutes(11));
    }
    EXPECT_EQ(sent, 4500U);
}

TEST_F(PromiseBookTest, AnAnswerSaysWhatIsOwedButNotTheImpossible) {
    PromiseBook book = open();
    const DebtKey key{.provider = kProvider, .id = kAnna, .currency = kUsdc};
    ASSERT_TRUE(book.make(kProvider, "a", promise(1000)));
    ASSERT_TRUE(book.note_owed(key, Amount(700), UnixSeconds{1'795'233'600}));
    EXPECT_EQ(book.debts().value()[0].owed(), Amount(700));
    EXPECT_EQ(book.debts().value()[0].due, UnixSeconds{1'795'233'600});
    ASSERT_TRUE(book.note_owed(key, Amount(1001), {}));
    EXPECT_EQ(book.debts().value()[0].owed(), Amount(700));
}

}  // namespace
}  // namespace decloud::client
