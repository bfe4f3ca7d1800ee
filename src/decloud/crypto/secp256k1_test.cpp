#include "secp256k1.hpp"

#include "hash.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <type_traits>

namespace decloud::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Secp256k1PrivateKey>);

Secp256k1PrivateKey anvil_key() {
    return *Secp256k1PrivateKey::from_bytes(
        *from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"));
}

// The order of the group less s: the other signature of the same message.
Bytes malleate(BytesView signature) {
    const Bytes order =
        *from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    Bytes out = to_bytes(signature);
    int borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        const int difference = order[i] - signature[32 + i] - borrow;
        out[32 + i] = static_cast<std::uint8_t>(difference & 0xff);
        borrow = difference < 0 ? 1 : 0;
    }
    out[64] = static_cast<std::uint8_t>(55 - out[64]);
    return out;
}

TEST(Secp256k1, DerivesTheAddressEthereumDoes) {
    EXPECT_EQ(to_string(anvil_key().address()), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
}

TEST(Secp256k1, RecoversTheSigner) {
    const auto key = Secp256k1PrivateKey::generate();
    for (int i = 0; i < 50; ++i) {
        const Bytes32 digest = keccak256(std::to_string(i));
        const auto signature = key.sign(digest);
        EXPECT_TRUE(signature.bytes[64] == 27 || signature.bytes[64] == 28);
        EXPECT_EQ(recover(digest, signature.view()), key.address());
        const auto other = recover(keccak256("other"), signature.view());
        EXPECT_TRUE(!other || *other != key.address());
    }
}

TEST(Secp256k1, SignsDeterministically) {
    const Bytes32 digest = keccak256("message");
    EXPECT_EQ(anvil_key().sign(digest), anvil_key().sign(digest));
}

TEST(Secp256k1, RefusesTheMalleatedTwin) {
    const Bytes32 digest = keccak256("message");
    const auto signature = anvil_key().sign(digest);
    const Bytes twin = malleate(signature.view());
    const auto result = recover(digest, twin);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), CryptoError::invalid_signature);
}

TEST(Secp256k1, RefusesOtherLengthsAndRecoveryIds) {
    const Bytes32 digest = keccak256("message");
    Bytes signature = to_bytes(anvil_key().sign(digest).view());
    for (const std::size_t length : {0U, 1U, 64U, 66U, 130U}) {
        Bytes other = signature;
        other.resize(length);
        EXPECT_FALSE(recover(digest, other)) << length;
    }
    for (const int v : {0, 1, 2, 26, 29, 30, 37, 255}) {
        signature[64] = static_cast<std::uint8_t>(v);
        EXPECT_FALSE(recover(digest, signature)) << v;
    }
}

TEST(Secp256k1, RefusesZeroAndOverlongNumbers) {
    const Bytes32 digest = keccak256("message");
    const Bytes good = to_bytes(anvil_key().sign(digest).view());
    for (const std::size_t start : {0U, 32U}) {
        for (const std::uint8_t fill : {std::uint8_t{0}, std::uint8_t{0xff}}) {
            Bytes bad = good;
            std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(start), 32, fill);
            EXPECT_FALSE(recover(digest, bad)) << start << " " << int{fill};
        }
    }
}

TEST(Secp256k1, RefusesKeysThatAreNone) {
    EXPECT_FALSE(Secp256k1PrivateKey::from_bytes(Bytes(32, 0)));
    EXPECT_FALSE(Secp256k1PrivateKey::from_bytes(Bytes(32, 0xff)));
    EXPECT_FALSE(Secp256k1PrivateKey::from_bytes(Bytes(31, 1)));
    EXPECT_FALSE(Secp256k1PrivateKey::from_bytes(Bytes(33, 1)));
}

}  // namespace
}  // namespace decloud::crypto
