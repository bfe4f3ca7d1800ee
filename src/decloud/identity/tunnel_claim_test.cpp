#include "tunnel_claim.hpp"

#include <gtest/gtest.h>

namespace decloud::identity {
namespace {

TEST(TunnelClaim, HasAnEpochThatFits) {
    TunnelClaim claim{.name = "alice.decloud",
        .epoch = 18'446'744'073'709'551'615U,
        .instance = "1",
        .delegation = {},
        .signature = {}};
    std::string text = format_tunnel_claim(claim);
    const auto parsed = parse_tunnel_claim(text);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
    EXPECT_EQ(parsed->epoch, claim.epoch);
    const std::string largest = std::to_string(claim.epoch);
    for (const std::string_view bad : {"18446744073709551616", "-1", "1x"}) {
        std::string changed = text;
        changed.replace(changed.find(largest), largest.size(), bad);
        EXPECT_FALSE(parse_tunnel_claim(changed).has_value()) << bad;
    }
}

}  // namespace
}  // namespace decloud::identity
