#pragma once

#include <system_error>

namespace decloud {

/// What cryptographic operations on outside data can fail with.
enum class CryptoError {
    /// Not a key: wrong length, zero, not below the order, not on the curve, unreadable PEM or JWK.
    invalid_key = 1,
    /// Wrong length, malleable (high s), unknown recovery id, or it recovers to no point.
    invalid_signature,
    /// The ciphertext, its tag or the key is wrong; which of them is not told.
    decryption_failed,
};

/// The code in the category "decloud.crypto".
std::error_code make_error_code(CryptoError code);

}  // namespace decloud

/// Lets a CryptoError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::CryptoError> : std::true_type {};
