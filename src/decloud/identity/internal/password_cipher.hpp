#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/secret.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace decloud::identity::internal {

/// What 32 derived bytes are made with (RFC 7914). `max_memory` bounds what is allocated; the
/// memory is wiped afterwards. Error: unavailable if there is not that much.
[[nodiscard]] Result<crypto::Secret> scrypt(BytesView passphrase,
    BytesView salt,
    std::uint64_t n,
    std::uint32_t r,
    std::uint32_t p,
    std::uint64_t max_memory);

/// RFC 8018 with HMAC-SHA-256, 32 bytes. Error: invalid_input if a length does not fit OpenSSL.
[[nodiscard]] Result<crypto::Secret> pbkdf2_sha256(
    BytesView passphrase, BytesView salt, std::uint64_t iterations);

/// AES-128 in counter mode (NIST SP 800-38A), the whole vector as counter; encrypting and
/// decrypting are the same. `key` is 16 bytes, `output` as long as `input`.
void aes128_ctr(BytesView key,
    const std::array<std::uint8_t, 16>& vector,
    BytesView input,
    std::span<std::uint8_t> output);

}  // namespace decloud::identity::internal
