#include "foreign_signature.hpp"

#include "internal/openssl.hpp"

#include <gtest/gtest.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace decloud::crypto {

namespace {

using internal::EvpKey;

Bytes sign(EVP_PKEY* key, BytesView message) {
    const internal::EvpDigestContext context(EVP_MD_CTX_new());
    std::size_t size = 0;
    EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key), 1);
    EXPECT_EQ(EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()), 1);
    Bytes out(size);
    EXPECT_EQ(EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()), 1);
    out.resize(size);
    return out;
}

Bytes der(EVP_PKEY* key) {
    unsigned char* encoded = nullptr;
    const int size = i2d_PUBKEY(key, &encoded);
    Bytes out(encoded, encoded + size);
    OPENSSL_free(encoded);
    return out;
}

Bytes compressed(EVP_PKEY* key) {
    // The last 65 bytes of the DER are 4 ‖ x ‖ y.
    const Bytes whole = der(key);
    Bytes out(whole.end() - 64, whole.end() - 32);
    out.insert(out.begin(), whole.back() % 2 == 0 ? 2 : 3);
    return out;
}

TEST(ForeignSignature, VerifiesRsa) {
    const EvpKey key(EVP_RSA_gen(2048));
    const Bytes message = to_bytes("a message");
    Bytes signature = sign(key.get(), message);
    EXPECT_TRUE(verify_rsa_sha256(der(key.get()), message, signature));
    EXPECT_FALSE(verify_rsa_sha256(der(key.get()), as_bytes("another"), signature));
    signature[9] ^= 1U;
    EXPECT_FALSE(verify_rsa_sha256(der(key.get()), message, signature));
    EXPECT_FALSE(verify_rsa_sha256(as_bytes("no key"), message, signature));
    const EvpKey small(EVP_RSA_gen(1024));
    EXPECT_FALSE(verify_rsa_sha256(der(small.get()), message, sign(small.get(), message)));
}

TEST(ForeignSignature, VerifiesSecp256k1) {
    const EvpKey key(EVP_EC_gen("secp256k1"));
    const Bytes message = to_bytes("a message");
    const Bytes signature = sign(key.get(), message);
    EXPECT_TRUE(verify_secp256k1_der(compressed(key.get()), message, signature));
    EXPECT_FALSE(verify_secp256k1_der(compressed(key.get()), as_bytes("another"), signature));
    EXPECT_FALSE(verify_secp256k1_der(as_bytes("no key"), message, signature));
    EXPECT_FALSE(verify_secp256k1_der(Bytes(33, 2), message, Bytes{}));
}

}  // namespace

}  // namespace decloud::crypto
