#include "units.hpp"

#include <gtest/gtest.h>

namespace decloud {
namespace {

TEST(Amount, ArithmeticIsChecked) {
    const Amount max(~Uint128{0});
    EXPECT_FALSE(max.plus(Amount(1)));
    EXPECT_FALSE(Amount(1).minus(Amount(2)));
    EXPECT_FALSE(max.times(2));
    EXPECT_EQ(Amount(3).saturating_minus(Amount(5)), Amount(0));
    EXPECT_EQ(Amount(7).times(3).value(), Amount(21));
}

TEST(Amount, UsdcTextRoundTrips) {
    EXPECT_EQ(format_usdc(Amount(95'000'000)), "95.000");
    EXPECT_EQ(format_usdc(Amount(1'000)), "0.001");
    EXPECT_EQ(format_usdc(Amount(1)), "0.000001");
    for (const char* text : {"5", "0.001", "4.997", "0.000001"}) {
        const auto amount = parse_usdc(text);
        ASSERT_TRUE(amount) << text;
        EXPECT_EQ(parse_usdc(format_usdc(*amount)).value(), *amount);
    }
    for (const char* text : {"", ".", "1.", ".5", "0.0000001", "-1", "1e3", "0x1"}) {
        EXPECT_FALSE(parse_usdc(text)) << text;
    }
}

}  // namespace
}  // namespace decloud
