#include "hash.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <string>

namespace decloud::crypto {
namespace {

TEST(Sha256, MatchesFips180Examples) {
    EXPECT_EQ(
        to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(
        to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, StreamsToTheSameDigestHoweverItIsCut) {
    const std::string text(1000, 'x');
    for (std::size_t cut = 0; cut <= text.size(); cut += 37) {
        Sha256 hash;
        hash.update(std::string_view(text).substr(0, cut));
        hash.update(std::string_view(text).substr(cut));
        EXPECT_EQ(hash.finish(), sha256(text)) << cut;
    }
}

TEST(Sha256, StartsAgainAfterFinish) {
    Sha256 hash;
    hash.update("something else");
    (void)hash.finish();
    hash.update("abc");
    EXPECT_EQ(hash.finish(), sha256("abc"));
}

TEST(Keccak256, IsTheOneBeforeFips202) {
    EXPECT_EQ(to_hex(keccak256("").view()),
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    EXPECT_EQ(to_hex(keccak256("Transfer(address,address,uint256)").view()),
        "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
}

TEST(HmacSha256, MatchesRfc4231) {
    EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256(Bytes(131, 0xaa),
                  as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256, TakesAnEmptyKeyAsEmptyAndNotAsTheOneBefore) {
    const auto first = hmac_sha256({}, as_bytes("data"));
    (void)hmac_sha256(as_bytes("another key"), as_bytes("data"));
    EXPECT_EQ(hmac_sha256({}, as_bytes("data")), first);
    EXPECT_NE(hmac_sha256(as_bytes("another key"), as_bytes("data")), first);
}

}  // namespace
}  // namespace decloud::crypto
