#pragma once

#include "error.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace decloud::crypto {

/// Sizes of AES-256-GCM in bytes (NIST SP 800-38D).
inline constexpr std::size_t kAes256KeySize = 32;
inline constexpr std::size_t kGcmNonceSize = 12;
inline constexpr std::size_t kGcmTagSize = 16;

/// A nonce (96 bits) and an authentication tag (128 bits).
using GcmNonce = std::array<std::uint8_t, kGcmNonceSize>;
using GcmTag = std::array<std::uint8_t, kGcmTagSize>;

/// What `aes256_gcm_seal` makes; the ciphertext is as long as the plaintext.
struct SealedBytes {
    Bytes ciphertext;
    GcmTag tag{};
};

/// AES-256-GCM. A nonce is used once per key: take a fresh random key, or a random nonce for few
/// messages. Error: invalid_input if the key is not 32 bytes.
[[nodiscard]] Result<SealedBytes> aes256_gcm_seal(
    BytesView key, const GcmNonce& nonce, BytesView associated_data, BytesView plaintext);

/// Errors: CryptoError::decryption_failed if the tag is wrong; invalid_input for a wrong key
/// length.
[[nodiscard]] Result<Bytes> aes256_gcm_open(BytesView key,
    const GcmNonce& nonce,
    BytesView associated_data,
    BytesView ciphertext,
    const GcmTag& tag);

}  // namespace decloud::crypto
