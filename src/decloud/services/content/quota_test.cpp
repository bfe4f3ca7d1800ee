#include "quota.hpp"

#include <gtest/gtest.h>

namespace decloud::services {
namespace {

TEST(Quota, GrowsWithReservedMoneyUpToItsLimit) {
    const QuotaRules rules{.free_bytes = 0};
    EXPECT_EQ(quota_bytes(rules, Amount(0)), 0U);
    EXPECT_EQ(quota_bytes(rules, Amount(1'000'000)), 64 * kMiB);
    EXPECT_EQ(quota_bytes(rules, Amount(500'000)), 32 * kMiB);
    EXPECT_EQ(quota_bytes(rules, Amount(1'000'000'000)), kGiB);
    EXPECT_EQ(quota_bytes(rules, Amount(~Uint128{0})), kGiB);
    EXPECT_EQ(quota_bytes({.free_bytes = 64 * kMiB}, Amount(0)), 64 * kMiB);
}

}  // namespace
}  // namespace decloud::services
