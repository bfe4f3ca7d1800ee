#include "foreign_signature.hpp"

#include "internal/openssl.hpp"

#include <openssl/x509.h>

namespace decloud::crypto {

namespace {

using internal::EvpDigestContext;
using internal::EvpKey;
using internal::require;

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;
constexpr std::size_t kMaxKeyDer = 2048;
constexpr std::size_t kCompressedPoint = 33;

bool verify(EVP_PKEY* key, BytesView message, BytesView signature) {
    const EvpDigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    const bool valid =
        EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
        EVP_DigestVerify(
            context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
    internal::forget_errors();
    return valid;
}

EvpKey secp256k1_key(BytesView point) {
    const internal::ParamBuilder builder = internal::make_param_builder();
    internal::add_point(builder.get(), "secp256k1", point);
    return internal::public_key_from("EC", builder.get());
}

}  // namespace

bool verify_rsa_sha256(BytesView key_der, BytesView message, BytesView signature) {
    if (key_der.size() > kMaxKeyDer) {
        return false;
    }
    const unsigned char* at = key_der.data();
    const EvpKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(key_der.size())));
    internal::forget_errors();
    const bool usable =
        key && EVP_PKEY_is_a(key.get(), "RSA") == 1 && at == key_der.data() + key_der.size() &&
        EVP_PKEY_get_bits(key.get()) >= kMinRsaBits && EVP_PKEY_get_bits(key.get()) <= kMaxRsaBits;
    return usable && verify(key.get(), message, signature);
}

bool verify_secp256k1_der(BytesView key, BytesView message, BytesView signature) {
    if (key.size() != kCompressedPoint || (key[0] != 2 && key[0] != 3)) {
        return false;
    }
    const EvpKey made = secp256k1_key(key);
    return made && verify(made.get(), message, signature);
}

}  // namespace decloud::crypto
