#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace decloud::ipfs {

/// Bytes of a representation, both ends included; `first` <= `last`.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// What a Range header asks of a representation.
struct RangeChoice {
    /// Nothing: all of it is sent.
    std::optional<ByteRange> range{};
    /// 416 is due.
    bool unsatisfiable = false;
};

/// The first range that can be satisfied of `header` (RFC 9110 §14.2); a header that is malformed,
/// of another unit or names more than 16 ranges is ignored.
[[nodiscard]] RangeChoice choose_range(std::string_view header, std::uint64_t size);

/// `entity-bytes=from:to` of the trustless gateway: negative numbers count from the end, "*" is the
/// end.
struct EntityBytes {
    std::int64_t from = 0;
    std::optional<std::int64_t> to{};
    friend bool operator==(const EntityBytes&, const EntityBytes&) = default;
};

/// Nothing if it is malformed.
[[nodiscard]] std::optional<EntityBytes> parse_entity_bytes(std::string_view text);
/// The part of it that an entity of `size` bytes has; nothing if that is none.
[[nodiscard]] std::optional<ByteRange> clip(const EntityBytes& bytes, std::uint64_t size);

}  // namespace decloud::ipfs
