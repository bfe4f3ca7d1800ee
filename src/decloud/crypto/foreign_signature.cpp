#include "foreign_signature.hpp"

#include "internal/openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/x509.h>

namespace decloud::crypto {

namespace {

using internal::EvpDigestContext;
using internal::EvpKey;
using internal::EvpKeyContext;
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
    const internal::ParamBuilder builder(OSSL_PARAM_BLD_new());
    require(builder &&
                OSSL_PARAM_BLD_push_utf8_string(
                    builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "secp256k1", 0) == 1 &&
                OSSL_PARAM_BLD_push_octet_string(
                    builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1,
        "OSSL_PARAM_BLD_push");
    const internal::Params params(OSSL_PARAM_BLD_to_param(builder.get()));
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    require(
        params && context && EVP_PKEY_fromdata_init(context.get()) == 1, "EVP_PKEY_fromdata_init");
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        internal::forget_errors();
        return nullptr;
    }
    return EvpKey(key);
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
