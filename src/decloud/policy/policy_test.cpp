#include "policy.hpp"

#include <gtest/gtest.h>

namespace decloud::policy {
namespace {
TEST(Policy, EmptyFileAllowsEverything) {
    const auto policy = Policy::parse("", "p", {});
    ASSERT_TRUE(policy);
    EXPECT_EQ(policy->decide({.service = "compute", .method = "call"}).verdict, Verdict::allowed);
}
}  // namespace
}  // namespace decloud::policy
