#pragma once

#include <decloud/base/bytes.hpp>

#include <cstdint>

namespace decloud::store::internal {

/// CRC-32C (RFC 3720 §12.1) of `data`, continuing from `crc` (0 to begin). Uses SSE4.2 where there
/// is.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, BytesView data);

}  // namespace decloud::store::internal
