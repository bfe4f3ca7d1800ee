#include "fetch_allowance.hpp"

#include <gtest/gtest.h>

namespace decloud::node {
namespace {

using std::chrono::seconds;

constexpr FetchRules kRules{.period = seconds(100),
    .bytes = 1000,
    .bytes_per_client = 300,
    .time_per_client = seconds(50),
    .fetches_per_client = 4,
    .fetches_at_once = 3,
    .max_clients = 5};

class FetchAllowanceTest : public ::testing::Test {
  protected:
    Result<FetchAllowance::Grant> take(std::string client, std::uint64_t bytes, int time = 10) {
        return allowance_.take(
            {.client = std::move(client), .bytes = bytes, .time = seconds(time)}, now_);
    }
    /// A whole fetch that takes all it may; false if it is refused.
    bool fetch(std::string client, std::uint64_t bytes, int time = 10) {
        const auto grant = take(std::move(client), bytes, time);
        if (grant) {
            allowance_.give_back(*grant, grant->bytes, grant->time);
        }
        return grant.has_value();
    }

    std::chrono::steady_clock::time_point now_{seconds(1000)};
    FetchAllowance allowance_{kRules};
};

TEST_F(FetchAllowanceTest, BoundsTheBytesOfOneClient) {
    EXPECT_TRUE(fetch("a", 200));
    const auto rest = take("a", 200);
    ASSERT_TRUE(rest);
    EXPECT_EQ(rest->bytes, 100U);
    allowance_.give_back(*rest, 100, {});
    EXPECT_EQ(take("a", 1).error(), make_error_code(CommonError::limit_exceeded));
    EXPECT_TRUE(fetch("b", 200));
}

TEST_F(FetchAllowanceTest, BoundsTheTimeOfOneClient) {
    EXPECT_TRUE(fetch("a", 1, 45));
    const auto rest = take("a", 1, 45);
    ASSERT_TRUE(rest);
    EXPECT_EQ(rest->time, seconds(5));
    allowance_.give_back(*rest, 0, seconds(5));
    EXPECT_FALSE(fetch("a", 1, 1));
}

TEST_F(FetchAllowanceTest, BoundsHowOftenOneClientMayAsk) {
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(fetch("a", 1, 1));
    }
    EXPECT_FALSE(fetch("a", 1, 1));
}

TEST_F(FetchAllowanceTest, CountsWhatIsUnderWayAsTakenUntilItIsGivenBack) {
    const auto whole = take("a", 300);
    ASSERT_TRUE(whole);
    EXPECT_FALSE(take("a", 300));
    allowance_.give_back(*whole, 10, seconds(1));
    const auto next = take("a", 300);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->bytes, 290U);
}

TEST_F(FetchAllowanceTest, BoundsWhatAllTakeTogether) {
    for (const char* client : {"a", "b", "c"}) {
        EXPECT_TRUE(fetch(client, 300));
    }
    const auto rest = take("d", 300);
    ASSERT_TRUE(rest);
    EXPECT_EQ(rest->bytes, 100U);
    EXPECT_FALSE(take("e", 1));
}

TEST_F(FetchAllowanceTest, BoundsHowManyAreUnderWay) {
    std::vector<FetchAllowance::Grant> grants;
    for (const char* client : {"a", "b", "c"}) {
        grants.push_back(take(client, 1).value());
    }
    EXPECT_EQ(take("d", 1).error(), make_error_code(CommonError::unavailable));
    allowance_.give_back(grants.front(), 1, {});
    EXPECT_TRUE(take("d", 1));
}

TEST_F(FetchAllowanceTest, RemembersSoManyClientsAndNoMore) {
    for (const char* client : {"a", "b", "c", "d", "e"}) {
        EXPECT_TRUE(fetch(client, 1));
    }
    EXPECT_FALSE(fetch("f", 1));
}

TEST_F(FetchAllowanceTest, BeginsAnewWithEachPeriod) {
    EXPECT_TRUE(fetch("a", 300));
    const auto late = take("b", 300);
    ASSERT_TRUE(late);
    now_ += seconds(40);
    EXPECT_EQ(allowance_.wait(now_), seconds(60));
    now_ += seconds(60);
    EXPECT_TRUE(fetch("a", 300));
    // Of the period before: nothing of this one is given back.
    allowance_.give_back(*late, 0, {});
    EXPECT_FALSE(fetch("a", 1));
}

}  // namespace
}  // namespace decloud::node
