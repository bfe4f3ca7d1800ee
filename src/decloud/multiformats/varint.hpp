#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>

namespace decloud::multiformats {

/// Bytes that `append_varint` writes for `value`: 1 to 10.
[[nodiscard]] std::size_t varint_size(std::uint64_t value);

/// Unsigned LEB128, as multiformats (unsigned-varint) and protobuf have it.
void append_varint(Bytes& out, std::uint64_t value);

/// What `read_varint` found.
struct DecodedVarint {
    std::uint64_t value = 0;
    /// How many bytes it took.
    std::size_t size = 0;
};

/// A varint at the start of `input`; what follows is ignored. Refuses encodings that are longer
/// than needed and values above 2⁶⁴−1. Errors: invalid_input; unavailable if `input` ends inside it
/// and more could complete it.
[[nodiscard]] Result<DecodedVarint> read_varint(BytesView input);

}  // namespace decloud::multiformats
