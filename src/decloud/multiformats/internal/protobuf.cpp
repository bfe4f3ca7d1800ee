#include "protobuf.hpp"

#include "../varint.hpp"

namespace decloud::multiformats::internal {

namespace {

constexpr std::uint64_t kVarint = 0;
constexpr std::uint64_t kLengthDelimited = 2;
constexpr std::uint64_t kFixed32 = 5;
constexpr std::size_t kFixed32Size = 4;

void append_tag(Bytes& out, std::uint32_t number, std::uint64_t wire_type) {
    append_varint(out, (std::uint64_t{number} << 3U) | wire_type);
}

}  // namespace

Result<std::uint64_t> ProtobufReader::take_varint() {
    const auto decoded = read_varint(rest_);
    if (!decoded) {
        return fail(CommonError::invalid_input, "protobuf: " + decoded.error().detail());
    }
    rest_ = rest_.subspan(decoded->size);
    return decoded->value;
}

Result<ProtobufField> ProtobufReader::next() {
    TRY(const std::uint64_t tag, take_varint());
    ProtobufField field;
    field.number = tag >> 3U;
    switch (tag & 7U) {
        case kVarint: {
            TRY(field.value, take_varint());
            return field;
        }
        case kLengthDelimited: {
            TRY(const std::uint64_t length, take_varint());
            if (length > rest_.size()) {
                return fail(
                    CommonError::invalid_input, "protobuf: a field longer than the message");
            }
            field.kind = ProtobufField::Kind::bytes;
            field.bytes = rest_.first(length);
            rest_ = rest_.subspan(length);
            return field;
        }
        case kFixed32: {
            if (rest_.size() < kFixed32Size) {
                return fail(
                    CommonError::invalid_input, "protobuf: a field longer than the message");
            }
            field.kind = ProtobufField::Kind::fixed32;
            for (std::size_t i = 0; i < kFixed32Size; ++i) {
                field.value |= std::uint64_t{rest_[i]} << (8 * i);
            }
            rest_ = rest_.subspan(kFixed32Size);
            return field;
        }
        default:
            return fail(CommonError::invalid_input, "protobuf: a wire type that is not used here");
    }
}

void append_varint_field(Bytes& out, std::uint32_t number, std::uint64_t value) {
    append_tag(out, number, kVarint);
    append_varint(out, value);
}

void append_bytes_field(Bytes& out, std::uint32_t number, BytesView value) {
    append_tag(out, number, kLengthDelimited);
    append_varint(out, value.size());
    append(out, value);
}

void append_fixed32_field(Bytes& out, std::uint32_t number, std::uint32_t value) {
    append_tag(out, number, kFixed32);
    for (std::size_t i = 0; i < kFixed32Size; ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

}  // namespace decloud::multiformats::internal
