#include "evm_types.hpp"

#include <gtest/gtest.h>

namespace decloud {
namespace {

TEST(Uint128, DecimalRoundTripsAtItsLimits) {
    const Uint128 max = ~Uint128{0};
    EXPECT_EQ(to_string(max), "340282366920938463463374607431768211455");
    EXPECT_EQ(parse_uint128("340282366920938463463374607431768211455").value(), max);
    EXPECT_FALSE(parse_uint128("340282366920938463463374607431768211456"));
    EXPECT_FALSE(parse_uint128(""));
    EXPECT_FALSE(parse_uint128("01"));
    EXPECT_FALSE(parse_uint128("-1"));
    EXPECT_EQ(to_string(parse_uint128("0").value()), "0");
}

TEST(Address, RequiresPrefixAndLength) {
    EXPECT_TRUE(parse_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"));
    EXPECT_FALSE(parse_address("70997970C51812dc3A010C7d01b50e0d17dc79C8"));
    EXPECT_FALSE(parse_address("0x70"));
}

TEST(Uint256, RefusesToNarrowWhatDoesNotFit) {
    Uint256 wide;
    wide.big_endian[15] = 1;
    EXPECT_FALSE(wide.to_uint128());
    EXPECT_EQ(Uint256::from(77).to_uint64().value(), 77U);
    EXPECT_FALSE(Uint256::from(~Uint128{0}).to_uint64());
}

}  // namespace
}  // namespace decloud
