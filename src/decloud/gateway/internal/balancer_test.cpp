#include "balancer.hpp"

#include "retry_budget.hpp"

#include <gtest/gtest.h>

#include <random>

namespace decloud::gateway::internal {
namespace {

using namespace std::chrono_literals;

class BalancerTest : public ::testing::Test {
  protected:
    /// How many of 1000 choices fell on each of `all`.
    std::map<std::string, int> choices(
        const std::vector<Candidate>& all, Preference preference = Preference::balanced) {
        std::map<std::string, int> out;
        for (int i = 0; i < 1000; ++i) {
            ++out[all[balancer_.choose(all, preference, now_)].name];
        }
        return out;
    }

    Balancer::TimePoint now_ = Balancer::TimePoint(1h);
    Balancer balancer_{{.decay = 10s, .tolerated_failures = 2, .rest = 30s, .max_tracked = 4},
        [engine = std::mt19937_64(7)]() mutable { return engine(); }};
    std::vector<Candidate> three_{{.name = "a"}, {.name = "b"}, {.name = "c"}};
};

TEST_F(BalancerTest, AvoidsWhoIsSlow) {
    balancer_.succeeded("a", 10ms, now_);
    balancer_.succeeded("b", 10ms, now_);
    balancer_.succeeded("c", 100ms, now_);
    const auto counts = choices(three_);
    EXPECT_EQ(counts.count("c"), 0U);
    EXPECT_GT(counts.at("a"), 300);
    EXPECT_GT(counts.at("b"), 300);
}

TEST_F(BalancerTest, AvoidsWhoIsBusy) {
    for (const std::string name : {"a", "b", "c"}) {
        balancer_.succeeded(name, 10ms, now_);
    }
    balancer_.begin("b", now_);
    EXPECT_EQ(balancer_.active("b"), 1U);
    EXPECT_EQ(choices(three_).count("b"), 0U);
    balancer_.end("b");
    EXPECT_EQ(choices(three_).count("b"), 1U);
}

TEST_F(BalancerTest, RisesAtOnceAndForgetsSlowly) {
    const std::vector<Candidate> two{{.name = "a"}, {.name = "b"}};
    balancer_.succeeded("a", 20ms, now_);
    balancer_.succeeded("b", 10ms, now_);
    balancer_.succeeded("b", 50ms, now_);
    balancer_.succeeded("b", 10ms, now_);
    EXPECT_EQ(choices(two).count("b"), 0U) << "one quick answer does not hide a slow one";
    now_ += 20s;
    balancer_.succeeded("a", 20ms, now_);
    EXPECT_EQ(choices(two).count("a"), 0U) << "who was slow is tried again";
}

TEST_F(BalancerTest, PrefersTheCheapestAndTheBestReputed) {
    const std::vector<Candidate> all{{.name = "a", .price = 2000, .reputation = 900'000},
        {.name = "b", .price = 1000, .reputation = 100'000},
        {.name = "c", .price = 1000, .reputation = 500'000}};
    balancer_.succeeded("a", 10ms, now_);
    balancer_.succeeded("b", 60ms, now_);
    balancer_.succeeded("c", 60ms, now_);
    EXPECT_EQ(choices(all, Preference::latency).count("b"), 1U);
    EXPECT_GT(choices(all, Preference::latency)["a"], 600);
    const auto cheap = choices(all, Preference::price);
    EXPECT_EQ(cheap.count("a"), 0U);
    EXPECT_GT(cheap.at("c"), 900) << "of equal price and latency the better reputed";
    EXPECT_EQ(choices(all, Preference::reputation).at("a"), 1000);
    EXPECT_EQ(choices({{.name = "x", .price = 0}, {.name = "y", .price = 5}}).at("x"), 1000);
}

TEST_F(BalancerTest, LeavesOutWhoRefusesConnectionsAtOnce) {
    balancer_.failed("a", true, now_);
    EXPECT_TRUE(balancer_.is_left_out("a", now_));
    EXPECT_EQ(choices(three_).count("a"), 0U);
    balancer_.probed("a", true, now_);
    EXPECT_FALSE(balancer_.is_left_out("a", now_));
}

TEST_F(BalancerTest, LeavesOutWhoFailsTwiceInARow) {
    balancer_.failed("a", false, now_);
    balancer_.succeeded("a", 1ms, now_);
    balancer_.failed("a", false, now_);
    EXPECT_FALSE(balancer_.is_left_out("a", now_));
    balancer_.probed("a", false, now_);
    EXPECT_TRUE(balancer_.is_left_out("a", now_));
    now_ += 31s;
    EXPECT_FALSE(balancer_.is_left_out("a", now_)) << "who is not asked comes back by itself";
}

TEST_F(BalancerTest, UsesEverybodyIfAllAreLeftOut) {
    for (const Candidate& one : three_) {
        balancer_.failed(one.name, true, now_);
    }
    EXPECT_EQ(choices(three_).size(), 3U);
}

TEST_F(BalancerTest, AsksAfterWhoWasUsedOrIsLeftOut) {
    balancer_.begin("a", now_);
    balancer_.end("a");
    balancer_.failed("b", true, now_);
    now_ += 1min;
    balancer_.begin("c", now_);
    EXPECT_EQ(balancer_.used_since(now_ - 1s), (std::vector<std::string>{"b", "c"}));
}

TEST_F(BalancerTest, RemembersNoMoreThanItMay) {
    for (const std::string name : {"a", "b", "c", "d", "e", "f"}) {
        now_ += 1s;
        balancer_.begin(name, now_);
        if (name != "a") {
            balancer_.end(name);
        }
    }
    EXPECT_EQ(balancer_.active("a"), 1U) << "what is under way is not forgotten";
    EXPECT_EQ(balancer_.used_since(now_ - 1h), (std::vector<std::string>{"a", "d", "e", "f"}));
}

TEST(RetryBudget, LetsAFifthOfTheRequestsBeTriedAgain) {
    RetryBudget budget;
    int spare = 0;
    while (budget.take()) {
        ++spare;
    }
    EXPECT_EQ(spare, 10);
    int retries = 0;
    for (int i = 0; i < 1000; ++i) {
        budget.request();
        retries += budget.take() ? 1 : 0;
    }
    EXPECT_EQ(retries, 200);
}

}  // namespace
}  // namespace decloud::gateway::internal
