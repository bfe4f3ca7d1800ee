#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>

namespace decloud::multiformats::internal {

/// One field: a number for varints, bytes for what has a length.
struct ProtobufField {
    enum class Kind : std::uint8_t { varint, bytes, fixed32 };
    std::uint64_t number = 0;
    Kind kind = Kind::varint;
    std::uint64_t value = 0;
    BytesView bytes;

    [[nodiscard]] bool is(std::uint64_t field, Kind expected) const {
        return number == field && kind == expected;
    }
};

/// Takes a message apart. The message must outlive it. Only the wire types that UnixFS needs.
class ProtobufReader {
  public:
    explicit ProtobufReader(BytesView message) : rest_(message) {}
    [[nodiscard]] bool done() const { return rest_.empty(); }
    /// Error: invalid_input.
    [[nodiscard]] Result<ProtobufField> next();

  private:
    [[nodiscard]] Result<std::uint64_t> take_varint();
    BytesView rest_;
};

void append_varint_field(Bytes& out, std::uint32_t number, std::uint64_t value);
void append_bytes_field(Bytes& out, std::uint32_t number, BytesView value);
void append_fixed32_field(Bytes& out, std::uint32_t number, std::uint32_t value);

}  // namespace decloud::multiformats::internal
