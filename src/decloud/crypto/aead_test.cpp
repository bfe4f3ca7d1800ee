#include "aead.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::crypto {
namespace {

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
const Bytes kKey = *from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
const Bytes kAssociatedData = *from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
const Bytes kPlaintext = *from_hex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
constexpr GcmNonce kNonce{0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};

TEST(Aes256Gcm, MatchesThePublishedTestCase) {
    const auto sealed = aes256_gcm_seal(kKey, kNonce, kAssociatedData, kPlaintext);
    ASSERT_TRUE(sealed);
    EXPECT_EQ(to_hex(sealed->ciphertext),
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
    EXPECT_EQ(to_hex(sealed->tag), "76fc6ece0f4e1768cddf8853bb2d551b");
    EXPECT_EQ(aes256_gcm_open(kKey, kNonce, kAssociatedData, sealed->ciphertext, sealed->tag),
        kPlaintext);
}

TEST(Aes256Gcm, TakesEmptyTexts) {
    const auto sealed = aes256_gcm_seal(kKey, kNonce, {}, {});
    ASSERT_TRUE(sealed);
    EXPECT_EQ(aes256_gcm_open(kKey, kNonce, {}, sealed->ciphertext, sealed->tag), Bytes{});
}

TEST(Aes256Gcm, RefusesAnyChange) {
    const auto sealed = *aes256_gcm_seal(kKey, kNonce, kAssociatedData, kPlaintext);
    Bytes ciphertext = sealed.ciphertext;
    ciphertext[3] ^= 1U;
    EXPECT_EQ(aes256_gcm_open(kKey, kNonce, kAssociatedData, ciphertext, sealed.tag).error(),
        CryptoError::decryption_failed);
    GcmTag tag = sealed.tag;
    tag[15] ^= 1U;
    EXPECT_FALSE(aes256_gcm_open(kKey, kNonce, kAssociatedData, sealed.ciphertext, tag));
    EXPECT_FALSE(aes256_gcm_open(kKey, kNonce, {}, sealed.ciphertext, sealed.tag));
    Bytes key = kKey;
    key[0] ^= 1U;
    EXPECT_FALSE(aes256_gcm_open(key, kNonce, kAssociatedData, sealed.ciphertext, sealed.tag));
}

TEST(Aes256Gcm, RefusesOtherKeyLengths) {
    EXPECT_FALSE(aes256_gcm_seal(Bytes(16), kNonce, {}, {}));
    EXPECT_FALSE(aes256_gcm_open(Bytes(33), kNonce, {}, {}, {}));
}

}  // namespace
}  // namespace decloud::crypto
