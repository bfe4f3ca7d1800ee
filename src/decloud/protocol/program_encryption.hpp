#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

namespace decloud::protocol {

/// A program package that is stored encrypted: nonce (12 bytes) ‖ AES-256-GCM ciphertext ‖ tag (16
/// bytes).
struct SealedProgram {
    Bytes key;
    Bytes content;
};

/// Under a fresh random key.
[[nodiscard]] Result<SealedProgram> seal_program(BytesView package);
/// Errors: invalid_input if it is too short; CryptoError::decryption_failed.
[[nodiscard]] Result<Bytes> open_program(BytesView key, BytesView content);

}  // namespace decloud::protocol
