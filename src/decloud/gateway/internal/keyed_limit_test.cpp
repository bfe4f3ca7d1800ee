#include "keyed_limit.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace decloud::gateway::internal {
namespace {

using namespace std::chrono_literals;

const KeyedLimit::TimePoint kStart = KeyedLimit::TimePoint() + 1h;

TEST(KeyedLimit, LetsABurstThroughAndThenTheRate) {
    KeyedLimit limit({.per_second = 10, .burst = 5}, 100);
    for (int index = 0; index < 5; ++index) {
        EXPECT_TRUE(limit.enter("a", kStart)) << index;
    }
    EXPECT_FALSE(limit.enter("a", kStart));
    EXPECT_TRUE(limit.enter("b", kStart)) << "another key";
    EXPECT_FALSE(limit.enter("a", kStart + 99ms));
    EXPECT_TRUE(limit.enter("a", kStart + 100ms));
    EXPECT_FALSE(limit.enter("a", kStart + 100ms));
    for (int index = 0; index < 5; ++index) {
        EXPECT_TRUE(limit.enter("a", kStart + 10s)) << index;
    }
    EXPECT_FALSE(limit.enter("a", kStart + 10s)) << "a pause saves no more than a burst";
}

TEST(KeyedLimit, SaysHowLongToWait) {
    KeyedLimit limit({.per_second = 1, .burst = 3}, 100);
    for (int index = 0; index < 3; ++index) {
        EXPECT_TRUE(limit.enter("a", kStart));
    }
    EXPECT_EQ(limit.enter("a", kStart).error(), 1s);
    EXPECT_TRUE(limit.enter("a", kStart + 1s));
    for (int index = 0; index < 10; ++index) {
        limit.count("a", kStart + 1s);
    }
    const auto told = limit.check("a", kStart + 1s).error();
    EXPECT_EQ(told, 11s);
    EXPECT_FALSE(limit.check("a", kStart + 1s + told - 1ms));
    EXPECT_TRUE(limit.check("a", kStart + 1s + told));
}

TEST(KeyedLimit, KeepsPlacesAsLongAsTheyAreHeld) {
    auto limit = std::make_unique<KeyedLimit>(RequestLimit{.concurrent = 2}, 100);
    auto one = limit->enter("a", kStart);
    auto two = limit->enter("a", kStart);
    ASSERT_TRUE(one && two);
    EXPECT_EQ(limit->enter("a", kStart).error(), 1s);
    one->reset();
    EXPECT_TRUE(limit->enter("a", kStart)) << "given back at once, as nobody keeps it";
    auto three = limit->enter("a", kStart);
    EXPECT_TRUE(three);
    EXPECT_FALSE(limit->enter("a", kStart));
    // A place may outlive the limit.
    limit.reset();
    two->reset();
}

TEST(KeyedLimit, WithoutALimitRemembersNobody) {
    KeyedLimit limit({}, 100);
    for (int index = 0; index < 1000; ++index) {
        EXPECT_TRUE(limit.enter(std::to_string(index), kStart));
    }
    EXPECT_EQ(limit.size(), 0U);
}

TEST(KeyedLimit, ForgetsTheLongestIdleWhenItIsFull) {
    KeyedLimit limit({.per_second = 1, .burst = 1, .concurrent = 2}, 3);
    auto held = limit.enter("held", kStart);
    EXPECT_TRUE(limit.enter("a", kStart));
    EXPECT_TRUE(limit.enter("b", kStart));
    EXPECT_FALSE(limit.enter("a", kStart)) << "now the newest";
    EXPECT_TRUE(limit.enter("c", kStart));
    EXPECT_EQ(limit.size(), 3U);
    EXPECT_FALSE(limit.enter("a", kStart)) << "kept";
    EXPECT_FALSE(limit.check("held", kStart)) << "kept, as it is under way";
    EXPECT_TRUE(limit.check("b", kStart)) << "forgotten";
    std::vector<std::shared_ptr<void>> all;
    for (int index = 0; index < 100; ++index) {
        auto place = limit.enter(std::to_string(index), kStart);
        ASSERT_TRUE(place);
        all.push_back(std::move(*place));
        EXPECT_EQ(limit.size(), 3U) << "also when all are under way";
    }
}

}  // namespace
}  // namespace decloud::gateway::internal
