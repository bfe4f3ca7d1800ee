#include "body_budget.hpp"

#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

TEST(BodyBudget, BoundsAllClientsAndEachOne) {
    BodyBudget budget({.total = 100, .per_client = 60});
    auto first = budget.reserve("ann", 60);
    ASSERT_TRUE(first);
    EXPECT_FALSE(budget.reserve("ann", 1));
    EXPECT_TRUE(budget.reserve("ann", 0));
    {
        const auto second = budget.reserve("bob", 40);
        EXPECT_TRUE(second);
        EXPECT_FALSE(budget.reserve("eve", 1));
        EXPECT_EQ(budget.used(), 100U);
    }
    EXPECT_EQ(budget.used(), 60U);
    const auto moved = std::move(*first);
    first.reset();
    EXPECT_EQ(budget.used(), 60U);
    EXPECT_TRUE(budget.reserve("eve", 40));
    EXPECT_FALSE(budget.reserve("eve", 61));
}

}  // namespace
}  // namespace decloud::pipeline
