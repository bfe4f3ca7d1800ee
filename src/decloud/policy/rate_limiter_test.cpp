#include "rate_limiter.hpp"

#include <gtest/gtest.h>

#include <array>

namespace decloud::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimiterTest : public testing::Test {
  protected:
    RateAnswer take(const RateLimit& limit, const std::string& key) {
        const std::array keys{RateKey{limit, key}};
        return limiter_.take(keys, now_);
    }

    RateLimiter limiter_{3};
    std::chrono::system_clock::time_point now_{seconds(1'000'000)};
};

constexpr RateLimit kTwoASecond{.per_second = 2, .burst = 4, .per_day = 0};
constexpr RateLimit kThreeADay{.per_second = 0, .burst = 0, .per_day = 3};

TEST_F(RateLimiterTest, LetsABurstPassAndThenTheRate) {
    for (std::uint64_t left = 4; left-- > 0;) {
        const RateAnswer answer = take(kTwoASecond, "a");
        ASSERT_TRUE(answer.allowed);
        EXPECT_EQ(answer.remaining, left);
    }
    EXPECT_FALSE(take(kTwoASecond, "a").allowed);
    EXPECT_EQ(take(kTwoASecond, "a").wait, seconds(1));
    EXPECT_TRUE(take(kTwoASecond, "b").allowed);
    now_ += milliseconds(500);
    EXPECT_TRUE(take(kTwoASecond, "a").allowed);
    EXPECT_FALSE(take(kTwoASecond, "a").allowed);
    now_ += seconds(100);
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(take(kTwoASecond, "a").allowed);
    }
    EXPECT_FALSE(take(kTwoASecond, "a").allowed);
}

TEST_F(RateLimiterTest, SpreadsADaysRequestsOverTheDay) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(take(kThreeADay, "a").allowed);
    }
    const RateAnswer answer = take(kThreeADay, "a");
    EXPECT_FALSE(answer.allowed);
    EXPECT_EQ(answer.remaining, 0U);
    EXPECT_EQ(answer.wait, seconds(28'800));
    now_ += seconds(28'799);
    EXPECT_FALSE(take(kThreeADay, "a").allowed);
    now_ += seconds(1);
    EXPECT_TRUE(take(kThreeADay, "a").allowed);
}

TEST_F(RateLimiterTest, TakesFromAllBucketsOrFromNone) {
    const std::array both{RateKey{kTwoASecond, "a"}, RateKey{kThreeADay, "b"}};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(limiter_.take(both, now_).allowed);
    }
    EXPECT_FALSE(limiter_.take(both, now_).allowed);
    EXPECT_FALSE(limiter_.take(both, now_).allowed);
    EXPECT_TRUE(take(kTwoASecond, "a").allowed);  // the fourth of its burst
    EXPECT_FALSE(take(kTwoASecond, "a").allowed);
}

TEST_F(RateLimiterTest, ForgetsWhoWasAwayForLongestAndStaysSmall) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(take(kThreeADay, "kept").allowed);
    }
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(take(kThreeADay, "stranger " + std::to_string(i)).allowed);
        EXPECT_FALSE(take(kThreeADay, "kept").allowed);
        EXPECT_LE(limiter_.size(), 3U);
    }
}

TEST_F(RateLimiterTest, GivesNothingBackWhenTheClockIsSetBack) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(take(kThreeADay, "a").allowed);
    }
    now_ -= seconds(100'000);
    EXPECT_FALSE(take(kThreeADay, "a").allowed);
}

}  // namespace
}  // namespace decloud::policy
