#include "program_encryption.hpp"

#include <decloud/crypto/aead.hpp>
#include <decloud/crypto/random.hpp>

#include <algorithm>

namespace decloud::protocol {

Result<SealedProgram> seal_program(BytesView package) {
    SealedProgram sealed;
    sealed.key = crypto::random_bytes(crypto::kAes256KeySize);
    const Bytes random = crypto::random_bytes(crypto::kGcmNonceSize);
    crypto::GcmNonce nonce{};
    std::ranges::copy(random, nonce.begin());
    TRY(const auto parts, crypto::aes256_gcm_seal(sealed.key, nonce, {}, package));
    append(sealed.content, nonce);
    append(sealed.content, parts.ciphertext);
    append(sealed.content, parts.tag);
    return sealed;
}

Result<Bytes> open_program(BytesView key, BytesView content) {
    if (content.size() < crypto::kGcmNonceSize + crypto::kGcmTagSize) {
        return fail(CommonError::invalid_input, "an encrypted program that is too short");
    }
    crypto::GcmNonce nonce{};
    crypto::GcmTag tag{};
    std::ranges::copy(content.first(nonce.size()), nonce.begin());
    std::ranges::copy(content.last(tag.size()), tag.begin());
    const BytesView ciphertext =
        content.subspan(nonce.size(), content.size() - nonce.size() - tag.size());
    return crypto::aes256_gcm_open(key, nonce, {}, ciphertext, tag);
}

}  // namespace decloud::protocol
