#include "served_ahead.hpp"

#include <gtest/gtest.h>

namespace decloud::payments::internal {
namespace {

constexpr std::size_t kMany = 64;

/// Writes what is wanted for `serial`; whether it was.
bool write(ServedAhead& ahead,
    HoldSerial serial,
    Amount held,
    std::uint64_t sequence,
    bool is_durable = true) {
    const auto record = ahead.wanted(serial, serial, held, kMany, is_durable);
    if (record) {
        ahead.written(*record, sequence);
    }
    return record.has_value();
}

TEST(ServedAhead, SpeaksForNobodyWhileFewCallsRun) {
    ServedAhead ahead;
    EXPECT_FALSE(ahead.wanted(1, 1, Amount(10), 1, true));
    EXPECT_FALSE(ahead.sequence_for(1, Amount(10)));
    EXPECT_FALSE(ahead.is_open());
}

TEST(ServedAhead, SpeaksForTheNextSerialsUpToAnAmountEach) {
    ServedAhead ahead;
    ASSERT_TRUE(write(ahead, 100, Amount(10), 7));
    EXPECT_FALSE(ahead.sequence_for(99, Amount(10))) << "began before";
    EXPECT_EQ(ahead.sequence_for(100, Amount(10)), 7U);
    EXPECT_EQ(ahead.sequence_for(163, Amount(1)), 7U);
    EXPECT_FALSE(ahead.sequence_for(164, Amount(1)));
    EXPECT_FALSE(ahead.sequence_for(101, Amount(11)));
}

TEST(ServedAhead, IsWrittenAgainWhenHalfIsUsedAndTheFirstIsOnDisk) {
    ServedAhead ahead;
    ASSERT_TRUE(write(ahead, 1, Amount(10), 1));
    EXPECT_FALSE(write(ahead, 32, Amount(10), 2));
    EXPECT_FALSE(write(ahead, 40, Amount(10), 2, false));
    ASSERT_TRUE(write(ahead, 40, Amount(10), 2));
    EXPECT_EQ(ahead.sequence_for(64, Amount(10)), 1U);
    EXPECT_EQ(ahead.sequence_for(65, Amount(10)), 2U);
    EXPECT_EQ(ahead.sequence_for(128, Amount(10)), 2U);
}

TEST(ServedAhead, GrowsWhereCallsHadToWaitUpToABound) {
    ServedAhead ahead;
    ASSERT_TRUE(write(ahead, 1, Amount(10), 1));
    for (HoldSerial serial = 65; serial < 90; ++serial) {
        EXPECT_FALSE(write(ahead, serial, Amount(10), 2, false));
    }
    ASSERT_TRUE(write(ahead, 90, Amount(10), 2));
    EXPECT_EQ(ahead.sequence_for(90 + ServedAhead::kMostCalls / 2 - 1, Amount(10)), 2U);
    EXPECT_FALSE(ahead.sequence_for(90 + ServedAhead::kMostCalls / 2, Amount(10)));
}

TEST(ServedAhead, ADearerCallWidensWhatComesAfterWhatWasSaid) {
    ServedAhead ahead;
    ASSERT_TRUE(write(ahead, 1, Amount(10), 1));
    ASSERT_TRUE(write(ahead, 2, Amount(500), 2));
    EXPECT_FALSE(ahead.sequence_for(2, Amount(500))) << "has a record of its own";
    EXPECT_EQ(ahead.sequence_for(65, Amount(500)), 2U);
}

TEST(ServedAhead, IsForgottenWhenItStops) {
    ServedAhead ahead;
    ASSERT_TRUE(write(ahead, 1, Amount(10), 1));
    ahead.stop();
    EXPECT_FALSE(ahead.sequence_for(2, Amount(10)));
    EXPECT_FALSE(ahead.is_open());
}

}  // namespace
}  // namespace decloud::payments::internal
