#include "availability.hpp"

#include <gtest/gtest.h>

namespace decloud::kubo::internal {
namespace {

using namespace std::chrono_literals;

constexpr Availability::Time kStart{1h};

TEST(Availability, RefusesNobodyWhileCallsSucceed) {
    Availability availability(2s);
    EXPECT_FALSE(availability.refuse(kStart));
    EXPECT_FALSE(availability.refuse(kStart));
    availability.succeeded();
    EXPECT_FALSE(availability.refuse(kStart));
}

TEST(Availability, LetsOneCallInAWhileFindOutWhetherAFailureIsOver) {
    Availability availability(2s);
    availability.failed(Error(CommonError::unavailable, "gone"), kStart);
    ASSERT_TRUE(availability.refuse(kStart + 1s));
    EXPECT_EQ(availability.refuse(kStart + 1s)->detail(), "gone");
    EXPECT_FALSE(availability.refuse(kStart + 2s));
    EXPECT_TRUE(availability.refuse(kStart + 3s)) << "one is finding out";
    EXPECT_FALSE(availability.refuse(kStart + 4s)) << "that one may never come back";
    availability.succeeded();
    EXPECT_FALSE(availability.refuse(kStart + 4s));
    EXPECT_FALSE(availability.refuse(kStart + 4s));
}

}  // namespace
}  // namespace decloud::kubo::internal
