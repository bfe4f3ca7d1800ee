#include "ed25519.hpp"

#include "internal/openssl.hpp"

namespace decloud::crypto {

using internal::EvpDigestContext;
using internal::EvpKey;
using internal::require;

namespace {

EVP_PKEY* as_key(const std::shared_ptr<void>& handle) {
    return static_cast<EVP_PKEY*>(handle.get());
}

}  // namespace

Ed25519PrivateKey::Ed25519PrivateKey(Secret seed) : seed_(std::move(seed)) {
    EVP_PKEY* const key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed_.view().data(), seed_.size());
    require(key != nullptr, "EVP_PKEY_new_raw_private_key");
    handle_ =
        std::shared_ptr<void>(key, [](void* made) { EVP_PKEY_free(static_cast<EVP_PKEY*>(made)); });
    std::size_t length = public_key_.bytes.size();
    require(EVP_PKEY_get_raw_public_key(key, public_key_.bytes.data(), &length) == 1,
        "EVP_PKEY_get_raw_public_key");
}

Ed25519PrivateKey Ed25519PrivateKey::generate() { return Ed25519PrivateKey(Secret::random(32)); }

Result<Ed25519PrivateKey> Ed25519PrivateKey::from_seed(BytesView seed) {
    if (seed.size() != 32) {
        return fail(CryptoError::invalid_key, "an Ed25519 seed is 32 bytes long");
    }
    return Ed25519PrivateKey(Secret(seed));
}

Ed25519Signature Ed25519PrivateKey::sign(BytesView message) const {
    const EvpDigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    require(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, as_key(handle_)) == 1,
        "EVP_DigestSignInit");
    Ed25519Signature out;
    std::size_t length = out.bytes.size();
    require(EVP_DigestSign(
                context.get(), out.bytes.data(), &length, message.data(), message.size()) == 1,
        "EVP_DigestSign");
    return out;
}

bool verify(const Ed25519PublicKey& key, BytesView message, BytesView signature) {
    if (signature.size() != Ed25519Signature::kSize) {
        return false;
    }
    const EvpKey public_key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.bytes.size()));
    const EvpDigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    const bool good =
        public_key != nullptr &&
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
        EVP_DigestVerify(
            context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
    if (!good) {
        internal::forget_errors();
    }
    return good;
}

}  // namespace decloud::crypto
