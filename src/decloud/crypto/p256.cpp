#include "p256.hpp"

#include "internal/openssl.hpp"

#include <array>

namespace decloud::crypto {

using internal::EvpDigestContext;
using internal::EvpKey;
using internal::require;

namespace {

constexpr std::size_t kScalarSize = 32;

// Null if the bytes are no point.
EvpKey make_key(BytesView compressed) {
    const internal::ParamBuilder builder = internal::make_param_builder();
    internal::add_point(builder.get(), "P-256", compressed);
    return internal::public_key_from("EC", builder.get());
}

// OpenSSL verifies the ASN.1 form only.
Bytes to_der(BytesView signature) {
    const internal::EcSignature parts(ECDSA_SIG_new());
    BIGNUM* const r = BN_bin2bn(signature.data(), kScalarSize, nullptr);
    BIGNUM* const s = BN_bin2bn(signature.data() + kScalarSize, kScalarSize, nullptr);
    require(parts != nullptr && r != nullptr && s != nullptr, "ECDSA_SIG_new");
    require(ECDSA_SIG_set0(parts.get(), r, s) == 1, "ECDSA_SIG_set0");
    unsigned char* der = nullptr;
    const int length = i2d_ECDSA_SIG(parts.get(), &der);
    require(length > 0, "i2d_ECDSA_SIG");
    Bytes out(der, der + length);
    OPENSSL_free(der);
    return out;
}

}  // namespace

Result<P256PublicKey> parse_p256(BytesView compressed) {
    if (compressed.size() != P256PublicKey::kSize ||
        (compressed[0] != 0x02 && compressed[0] != 0x03)) {
        return fail(CryptoError::invalid_key, "a compressed P-256 point is 33 bytes from 02 or 03");
    }
    if (!make_key(compressed)) {
        return fail(CryptoError::invalid_key, "not a point of P-256");
    }
    return P256PublicKey::from(compressed);
}

bool verify(const P256PublicKey& key, BytesView message, BytesView signature) {
    if (signature.size() != 2 * kScalarSize) {
        return false;
    }
    const EvpKey public_key = make_key(key.view());
    if (!public_key) {
        return false;
    }
    const Bytes der = to_der(signature);
    const EvpDigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    const bool good = EVP_DigestVerifyInit(
                          context.get(), nullptr, EVP_sha256(), nullptr, public_key.get()) == 1 &&
                      EVP_DigestVerify(context.get(), der.data(), der.size(), message.data(),
                          message.size()) == 1;
    if (!good) {
        internal::forget_errors();
    }
    return good;
}

}  // namespace decloud::crypto
