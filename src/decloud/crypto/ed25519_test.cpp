#include "ed25519.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::crypto {
namespace {

TEST(Ed25519, MatchesRfc8032Test3) {
    const auto key = *Ed25519PrivateKey::from_seed(
        *from_hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
    EXPECT_EQ(to_hex(key.public_key().view()),
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    const Bytes message = *from_hex("af82");
    const auto signature = key.sign(message);
    EXPECT_EQ(to_hex(signature.view()),
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
    EXPECT_TRUE(verify(key.public_key(), message, signature.view()));
}

TEST(Ed25519, RefusesAnyChangedByte) {
    const auto key = Ed25519PrivateKey::generate();
    const Bytes message = to_bytes(std::string_view("hello"));
    const auto signature = key.sign(message);
    for (std::size_t i = 0; i < signature.bytes.size(); ++i) {
        auto changed = signature;
        changed.bytes[i] ^= 1U;
        EXPECT_FALSE(verify(key.public_key(), message, changed.view())) << i;
    }
    EXPECT_FALSE(verify(key.public_key(), as_bytes("hellO"), signature.view()));
    EXPECT_FALSE(verify(key.public_key(), message, signature.view().first(63)));
    EXPECT_FALSE(verify(Ed25519PrivateKey::generate().public_key(), message, signature.view()));
}

TEST(Ed25519, RefusesSeedsOfOtherLengths) {
    EXPECT_FALSE(Ed25519PrivateKey::from_seed(Bytes(31)));
    EXPECT_FALSE(Ed25519PrivateKey::from_seed(Bytes(64)));
}

}  // namespace
}  // namespace decloud::crypto
