#include "rsa.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::crypto {
namespace {

// RFC 7638 §3.1.
constexpr std::string_view kJwk = R"({
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})";

// Making a key takes long: one serves all tests.
const RsaPrivateKey& test_key() {
    static const RsaPrivateKey key = RsaPrivateKey::generate(2048);
    return key;
}

TEST(RsaPublicKey, HasTheThumbprintOfRfc7638) {
    const auto key = RsaPublicKey::from_jwk(kJwk);
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_EQ(key->key_id(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    EXPECT_EQ(to_base64url(key->thumbprint().view()), key->key_id());
}

TEST(RsaPublicKey, TravelsThroughItsJwk) {
    const RsaPublicKey& key = test_key().public_key();
    const auto again = RsaPublicKey::from_jwk(json::to_text(key.to_jwk()));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->key_id(), key.key_id());
    const auto ciphertext = again->encrypt_oaep_sha256(as_bytes("content key"));
    ASSERT_TRUE(ciphertext);
    const auto plaintext = test_key().decrypt_oaep_sha256(*ciphertext);
    ASSERT_TRUE(plaintext);
    EXPECT_EQ(as_text(plaintext->view()), "content key");
}

TEST(RsaPublicKey, RefusesWhatIsNoKey) {
    const json::Object good = test_key().public_key().to_jwk();
    const auto with = [&good](std::string_view name, std::string_view value) {
        json::Object out = good;
        out[name] = value;
        return RsaPublicKey::from_jwk(out);
    };
    EXPECT_FALSE(with("kty", "EC"));
    EXPECT_FALSE(with("e", "AQ"));
    EXPECT_FALSE(with("e", "Ag"));
    EXPECT_FALSE(with("e", ""));
    EXPECT_FALSE(with("e", "AQAAAAE"));
    EXPECT_FALSE(with("n", "AQAB"));
    EXPECT_FALSE(with("n", "not base64!"));
    EXPECT_FALSE(with("n", "AA" + std::string(good.at("n").as_string())));
    EXPECT_FALSE(with("n", to_base64url(Bytes(2000, 0xff))));
    EXPECT_FALSE(RsaPublicKey::from_jwk("[]"));
    EXPECT_FALSE(RsaPublicKey::from_jwk("{}"));
}

TEST(RsaPublicKey, RefusesTooLongPlaintexts) {
    EXPECT_TRUE(test_key().public_key().encrypt_oaep_sha256(Bytes(190)));
    EXPECT_FALSE(test_key().public_key().encrypt_oaep_sha256(Bytes(191)));
}

TEST(RsaPrivateKey, TravelsThroughPem) {
    const Secret pem = test_key().to_pem();
    EXPECT_TRUE(as_text(pem.view()).starts_with("-----BEGIN PRIVATE KEY-----"));
    const auto again = RsaPrivateKey::from_pem(pem.view());
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->public_key().key_id(), test_key().public_key().key_id());
}

TEST(RsaPrivateKey, RefusesWhatIsNoKey) {
    EXPECT_FALSE(RsaPrivateKey::from_pem({}));
    EXPECT_FALSE(RsaPrivateKey::from_pem(as_bytes("-----BEGIN PRIVATE KEY-----\nAAAA\n")));
    const Secret pem = test_key().to_pem();
    EXPECT_FALSE(RsaPrivateKey::from_pem(pem.view().first(pem.size() / 2)));
}

TEST(RsaPrivateKey, DoesNotDecryptWhatIsForAnotherKeyOrChanged) {
    auto ciphertext = *test_key().public_key().encrypt_oaep_sha256(as_bytes("content key"));
    EXPECT_FALSE(RsaPrivateKey::generate(2048).decrypt_oaep_sha256(ciphertext));
    ciphertext[100] ^= 1U;
    const auto changed = test_key().decrypt_oaep_sha256(ciphertext);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error(), CryptoError::decryption_failed);
    EXPECT_FALSE(test_key().decrypt_oaep_sha256({}));
}

}  // namespace
}  // namespace decloud::crypto
