#pragma once

#include <decloud/base/bytes.hpp>

namespace decloud::crypto {

/// SHA-512 (FIPS 180-4): 64 bytes.
[[nodiscard]] Bytes sha512(BytesView data);
/// BLAKE2b with a digest of 32 bytes (RFC 7693).
[[nodiscard]] Bytes blake2b_256(BytesView data);

}  // namespace decloud::crypto
