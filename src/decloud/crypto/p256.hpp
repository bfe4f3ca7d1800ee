#pragma once

#include "error.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

namespace decloud::crypto {

/// A point of NIST P-256, compressed (SEC 1 §2.3.3). Only `parse_p256` makes one from outside
/// bytes.
using P256PublicKey = FixedBytes<33, struct P256PublicKeyTag>;

/// Error: CryptoError::invalid_key unless 33 bytes that are a point on the curve.
[[nodiscard]] Result<P256PublicKey> parse_p256(BytesView compressed);

/// ECDSA over SHA-256 of the message; the signature is r ‖ s (64 bytes), as RFC 9421 §3.3.4 has it.
[[nodiscard]] bool verify(const P256PublicKey& key, BytesView message, BytesView signature);

}  // namespace decloud::crypto
