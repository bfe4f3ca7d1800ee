#include "running_low.hpp"

#include <gtest/gtest.h>

namespace decloud::payments {
namespace {

constexpr std::uint64_t kDay = 86'400;

TEST(RunningLow, IsSaidBelowATenth) {
    const UnixSeconds now{1'000'000};
    const UnixSeconds long_ago{0};
    EXPECT_FALSE(is_running_low(Amount(1000), Amount(0), long_ago, now));
    EXPECT_FALSE(is_running_low(Amount(1000), Amount(900), long_ago, now));
    EXPECT_TRUE(is_running_low(Amount(1000), Amount(901), long_ago, now));
}

TEST(RunningLow, IsSaidWithLessThanADayLeft) {
    const UnixSeconds opened{1'000'000};
    EXPECT_TRUE(is_running_low(Amount(1000), Amount(600), opened, {opened.value + kDay}));
    EXPECT_FALSE(is_running_low(Amount(1000), Amount(600), opened, {opened.value + 2 * kDay}));
}

TEST(RunningLow, TheFirstMinuteIsNoRate) {
    const UnixSeconds opened{1'000'000};
    EXPECT_FALSE(is_running_low(Amount(5'000'000), Amount(3000), opened, {opened.value + 10}));
}

}  // namespace
}  // namespace decloud::payments
