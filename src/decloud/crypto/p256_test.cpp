#include "p256.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::crypto {
namespace {

// RFC 6979 A.2.5, SHA-256, message "sample".
constexpr std::string_view kKey =
    "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
constexpr std::string_view kSignature =
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

TEST(P256, VerifiesRfc6979Example) {
    const auto key = parse_p256(*from_hex(kKey));
    ASSERT_TRUE(key) << key.error().message();
    Bytes signature = *from_hex(kSignature);
    EXPECT_TRUE(verify(*key, as_bytes("sample"), signature));
    EXPECT_FALSE(verify(*key, as_bytes("samplE"), signature));
    EXPECT_FALSE(verify(*key, as_bytes("sample"), BytesView(signature).first(63)));
    signature[40] ^= 1U;
    EXPECT_FALSE(verify(*key, as_bytes("sample"), signature));
}

TEST(P256, RefusesWhatIsNoPoint) {
    // About half of all x have no square root for y.
    Bytes key(33, 0);
    key[0] = 2;
    int points = 0;
    for (int x = 1; x <= 40; ++x) {
        key[32] = static_cast<std::uint8_t>(x);
        points += parse_p256(key) ? 1 : 0;
    }
    EXPECT_GT(points, 0);
    EXPECT_LT(points, 40);
    EXPECT_FALSE(parse_p256(Bytes(33, 0)));
    EXPECT_FALSE(parse_p256(Bytes(65, 4)));
    EXPECT_FALSE(parse_p256(BytesView(*from_hex(kKey)).first(32)));
}

}  // namespace
}  // namespace decloud::crypto
