#include "unixfs.hpp"

#include "internal/protobuf.hpp"

#include <bit>
#include <charconv>
#include <string>

namespace decloud::multiformats {

namespace {

using internal::append_bytes_field;
using internal::append_fixed32_field;
using internal::append_varint_field;
using internal::ProtobufField;
using internal::ProtobufReader;
using Kind = ProtobufField::Kind;

constexpr std::uint32_t kType = 1;
constexpr std::uint32_t kData = 2;
constexpr std::uint32_t kFileSize = 3;
constexpr std::uint32_t kBlockSizes = 4;
constexpr std::uint32_t kHashType = 5;
constexpr std::uint32_t kFanout = 6;
constexpr std::uint32_t kMode = 7;
constexpr std::uint32_t kModified = 8;
constexpr std::uint32_t kSeconds = 1;
constexpr std::uint32_t kNanoseconds = 2;
constexpr std::size_t kMaxBlockSizes = 65536;
constexpr std::uint32_t kBillion = 1'000'000'000;

Error bad(const char* detail) {
    return {make_error_code(CommonError::invalid_input), std::string("UnixFS: ") + detail};
}

Result<UnixFsTime> decode_time(BytesView input) {
    UnixFsTime time;
    std::uint64_t last = 0;
    ProtobufReader reader(input);
    while (!reader.done()) {
        TRY(const ProtobufField field, reader.next());
        if (field.number <= last) {
            return fail(bad("a time with repeated or misordered fields"));
        }
        last = field.number;
        if (field.is(kSeconds, Kind::varint)) {
            time.seconds = static_cast<std::int64_t>(field.value);
        } else if (field.is(kNanoseconds, Kind::fixed32) && field.value < kBillion) {
            time.nanoseconds = static_cast<std::uint32_t>(field.value);
        } else {
            return fail(bad("a malformed time"));
        }
    }
    return time;
}

Result<void> take_varint_field(UnixFsData& out, const ProtobufField& field) {
    switch (field.number) {
        case kType:
            if (field.value > static_cast<std::uint64_t>(UnixFsType::hamt_shard)) {
                return fail(bad("a type that is not known"));
            }
            out.type = static_cast<UnixFsType>(field.value);
            return {};
        case kFileSize:
            out.file_size = field.value;
            return {};
        case kBlockSizes:
            if (out.block_sizes.size() == kMaxBlockSizes) {
                return fail(CommonError::limit_exceeded, "UnixFS: too many block sizes");
            }
            out.block_sizes.push_back(field.value);
            return {};
        case kHashType:
            out.hash_type = field.value;
            return {};
        case kFanout:
            out.fanout = field.value;
            return {};
        case kMode:
            if (field.value > UINT32_MAX) {
                return fail(bad("a mode above 32 bits"));
            }
            out.mode = static_cast<std::uint32_t>(field.value);
            return {};
        default:
            return fail(bad("an unknown field"));
    }
}

Result<void> check_file(UnixFsNode& node) {
    if (node.info.block_sizes.size() != node.links.size()) {
        return fail(bad("not as many block sizes as links"));
    }
    std::uint64_t total = node.info.data ? node.info.data->size() : 0;
    for (const std::uint64_t size : node.info.block_sizes) {
        if (__builtin_add_overflow(total, size, &total)) {
            return fail(bad("block sizes that overflow"));
        }
    }
    if (node.info.file_size && *node.info.file_size != total) {
        return fail(bad("a file size that is not the sum of its blocks"));
    }
    node.info.file_size = total;
    return {};
}

bool bit_is_set(const Bytes& big_endian, std::uint64_t bit) {
    const std::uint64_t byte = bit / 8;
    return byte < big_endian.size() &&
           ((big_endian[big_endian.size() - 1 - byte] >> (bit % 8)) & 1U) != 0;
}

/// The slot that a link's name starts with. Upper-case hexadecimal digits only.
Result<std::uint64_t> slot_of(const PbLink& link, std::size_t digits) {
    if (!link.name || link.name->size() < digits) {
        return fail(bad("a shard's link without its slot"));
    }
    const std::string_view prefix = std::string_view(*link.name).substr(0, digits);
    if (prefix.find_first_not_of("0123456789ABCDEF") != std::string_view::npos) {
        return fail(bad("a shard's link without its slot"));
    }
    std::uint64_t slot = 0;
    std::from_chars(prefix.data(), prefix.data() + prefix.size(), slot, 16);
    return slot;
}

Result<void> check_shard(const UnixFsNode& node) {
    constexpr std::uint64_t kMinFanout = 8;
    constexpr std::uint64_t kMaxFanout = 1024;
    const std::uint64_t fanout = node.info.fanout.value_or(0);
    if (fanout < kMinFanout || fanout > kMaxFanout || !std::has_single_bit(fanout)) {
        return fail(bad("a shard's fanout must be a power of two from 8 to 1,024"));
    }
    if (node.info.hash_type != kMurmur3) {
        return fail(bad("a shard's hash must be murmur3"));
    }
    const Bytes bits = node.info.data.value_or(Bytes{});
    if (bits.size() > fanout / 8) {
        return fail(bad("a shard's bit field is longer than its fanout"));
    }
    std::size_t count = 0;
    for (const std::uint8_t byte : bits) {
        count += static_cast<std::size_t>(std::popcount(byte));
    }
    if (count != node.links.size()) {
        return fail(bad("a shard's bit field does not match its links"));
    }
    std::optional<std::uint64_t> last;
    for (const PbLink& link : node.links) {
        TRY(const std::uint64_t slot, slot_of(link, hamt_prefix_size(fanout)));
        if ((last && slot <= *last) || !bit_is_set(bits, slot)) {
            return fail(bad("a shard's bit field does not match its links"));
        }
        last = slot;
    }
    return {};
}

}  // namespace

Bytes encode_unixfs(const UnixFsData& data) {
    Bytes out;
    append_varint_field(out, kType, static_cast<std::uint64_t>(data.type));
    if (data.data) {
        append_bytes_field(out, kData, *data.data);
    }
    if (data.file_size) {
        append_varint_field(out, kFileSize, *data.file_size);
    }
    for (const std::uint64_t size : data.block_sizes) {
        append_varint_field(out, kBlockSizes, size);
    }
    if (data.hash_type) {
        append_varint_field(out, kHashType, *data.hash_type);
    }
    if (data.fanout) {
        append_varint_field(out, kFanout, *data.fanout);
    }
    if (data.mode) {
        append_varint_field(out, kMode, *data.mode);
    }
    if (data.modified) {
        Bytes time;
        append_varint_field(time, kSeconds, static_cast<std::uint64_t>(data.modified->seconds));
        if (data.modified->nanoseconds != 0) {
            append_fixed32_field(time, kNanoseconds, data.modified->nanoseconds);
        }
        append_bytes_field(out, kModified, time);
    }
    return out;
}

Result<UnixFsData> decode_unixfs(BytesView input) {
    UnixFsData out;
    std::uint64_t last = 0;
    ProtobufReader reader(input);
    while (!reader.done()) {
        TRY(const ProtobufField field, reader.next());
        if (field.number < last || (field.number == last && field.number != kBlockSizes)) {
            return fail(bad("repeated or misordered fields"));
        }
        if (last == 0 && field.number != kType) {
            break;
        }
        last = field.number;
        if (field.kind == Kind::varint && field.number != kData) {
            TRY_VOID(take_varint_field(out, field));
        } else if (field.is(kData, Kind::bytes)) {
            out.data = to_bytes(field.bytes);
        } else if (field.is(kModified, Kind::bytes)) {
            TRY(out.modified, decode_time(field.bytes));
        } else {
            return fail(bad("an unknown field"));
        }
    }
    if (last == 0) {
        return fail(bad("no type"));
    }
    return out;
}

Result<UnixFsNode> decode_unixfs_node(BytesView block) {
    TRY(PbNode node, decode_pb(block));
    if (!node.data) {
        return fail(bad("a node without data"));
    }
    TRY(UnixFsData info, decode_unixfs(*node.data));
    UnixFsNode out{.info = std::move(info), .links = std::move(node.links)};
    switch (out.info.type) {
        case UnixFsType::raw:
        case UnixFsType::file:
            TRY_VOID(check_file(out));
            return out;
        case UnixFsType::hamt_shard:
            TRY_VOID(check_shard(out));
            return out;
        case UnixFsType::directory:
            return out;
        case UnixFsType::symlink:
            if (!out.links.empty()) {
                return fail(bad("a symbolic link with links"));
            }
            return out;
        case UnixFsType::metadata:
            break;
    }
    return fail(bad("a type that is not supported"));
}

}  // namespace decloud::multiformats
