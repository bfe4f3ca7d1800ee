#include "aead.hpp"

#include "internal/openssl.hpp"

#include <limits>

namespace decloud::crypto {

using internal::EvpCipherContext;
using internal::require;

namespace {

const EVP_CIPHER* algorithm() {
    static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    require(fetched != nullptr, "EVP_CIPHER_fetch AES-256-GCM");
    return fetched;
}

// OpenSSL counts in int.
bool fits(BytesView bytes) {
    return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

Result<void> check(BytesView key, BytesView associated_data, BytesView text) {
    if (key.size() != kAes256KeySize) {
        return fail(CommonError::invalid_input, "an AES-256 key is 32 bytes long");
    }
    if (!fits(associated_data) || !fits(text)) {
        return fail(CommonError::limit_exceeded, "too long for one AES-GCM message");
    }
    return {};
}

void feed_associated_data(EVP_CIPHER_CTX* context, BytesView data) {
    int length = 0;
    require(EVP_CipherUpdate(
                context, nullptr, &length, data.data(), static_cast<int>(data.size())) == 1,
        "EVP_CipherUpdate");
}

EvpCipherContext make_context(BytesView key, const GcmNonce& nonce, bool encrypt) {
    EvpCipherContext context(EVP_CIPHER_CTX_new());
    require(context && EVP_CipherInit_ex2(context.get(), algorithm(), key.data(), nonce.data(),
                           encrypt ? 1 : 0, nullptr) == 1,
        "EVP_CipherInit_ex2");
    return context;
}

}  // namespace

Result<SealedBytes> aes256_gcm_seal(
    BytesView key, const GcmNonce& nonce, BytesView associated_data, BytesView plaintext) {
    TRY_VOID(check(key, associated_data, plaintext));
    const EvpCipherContext context = make_context(key, nonce, true);
    feed_associated_data(context.get(), associated_data);
    SealedBytes out{.ciphertext = Bytes(plaintext.size())};
    int length = 0;
    require(EVP_CipherUpdate(context.get(), out.ciphertext.data(), &length, plaintext.data(),
                static_cast<int>(plaintext.size())) == 1,
        "EVP_CipherUpdate");
    std::uint8_t rest[kGcmTagSize];
    require(EVP_CipherFinal_ex(context.get(), rest, &length) == 1, "EVP_CipherFinal_ex");
    require(
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, out.tag.data()) == 1,
        "EVP_CTRL_AEAD_GET_TAG");
    return out;
}

Result<Bytes> aes256_gcm_open(BytesView key,
    const GcmNonce& nonce,
    BytesView associated_data,
    BytesView ciphertext,
    const GcmTag& tag) {
    TRY_VOID(check(key, associated_data, ciphertext));
    const EvpCipherContext context = make_context(key, nonce, false);
    feed_associated_data(context.get(), associated_data);
    Bytes out(ciphertext.size());
    int length = 0;
    require(EVP_CipherUpdate(context.get(), out.data(), &length, ciphertext.data(),
                static_cast<int>(ciphertext.size())) == 1,
        "EVP_CipherUpdate");
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagSize,
                const_cast<std::uint8_t*>(tag.data())) == 1,
        "EVP_CTRL_AEAD_SET_TAG");
    std::uint8_t rest[kGcmTagSize];
    if (EVP_CipherFinal_ex(context.get(), rest, &length) != 1) {
        internal::forget_errors();
        return fail(CryptoError::decryption_failed);
    }
    return out;
}

}  // namespace decloud::crypto
