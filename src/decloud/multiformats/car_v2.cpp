#include "car_v2.hpp"

#include "varint.hpp"

#include <fmt/format.h>

#include <limits>
#include <string_view>

namespace decloud::multiformats {

namespace {

constexpr std::uint64_t kIndexSorted = 0x0400;
constexpr std::uint64_t kMultihashIndexSorted = 0x0401;
constexpr std::size_t kCharacteristics = 16;
constexpr std::size_t kOffset = 8;

Error bad(std::string_view detail) {
    return {make_error_code(CommonError::invalid_input), fmt::format("CARv2: {}", detail)};
}

template <class Number>
void append_little(Bytes& out, Number value) {
    for (std::size_t byte = 0; byte < sizeof value; ++byte) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * byte)));
    }
}

/// `sizeof(Number)` bytes are there.
template <class Number>
Number read_little(BytesView bytes) {
    Number value = 0;
    for (std::size_t byte = sizeof value; byte > 0; --byte) {
        value = static_cast<Number>((value << 8U) | bytes[byte - 1]);
    }
    return value;
}

}  // namespace

Bytes encode_car_v2_start(std::uint64_t data_size, bool has_index) {
    Bytes out(kCarV2Pragma.begin(), kCarV2Pragma.end());
    out.resize(out.size() + kCharacteristics);
    append_little(out, kCarV2DataOffset);
    append_little(out, data_size);
    append_little(out, has_index ? kCarV2DataOffset + data_size : std::uint64_t{0});
    return out;
}

Result<CarV2Header> decode_car_v2_header(BytesView bytes) {
    const BytesView places = bytes.subspan(kCharacteristics);
    const CarV2Header header{.data_offset = read_little<std::uint64_t>(places),
        .data_size = read_little<std::uint64_t>(places.subspan(8)),
        .index_offset = read_little<std::uint64_t>(places.subspan(16))};
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (header.data_offset < kCarV2DataOffset || header.data_offset > kMost ||
        header.data_size == 0 || header.data_size > kMost) {
        return fail(bad("a header whose data is nowhere"));
    }
    if (header.index_offset != 0 && header.index_offset < header.data_offset + header.data_size) {
        return fail(bad("a header whose index is within the data"));
    }
    return header;
}

/// Takes an index apart.
class CarIndexDecoder {
  public:
    explicit CarIndexDecoder(BytesView rest) : rest_(rest) {}

    Result<CarIndex> decode() {
        TRY(const auto format, read_varint(rest_));
        rest_ = rest_.subspan(format.size);
        if (format.value == kIndexSorted) {
            index_.has_codes_ = false;
            TRY_VOID(buckets(std::nullopt));
        } else if (format.value == kMultihashIndexSorted) {
            TRY(const auto codes, number<std::uint32_t>());
            for (std::uint32_t i = 0; i < codes; ++i) {
                TRY(const auto code, number<std::uint64_t>());
                TRY_VOID(buckets(HashCode{code}));
            }
        } else {
            return fail(CommonError::not_found,
                fmt::format("CARv2: an index of format {:#x}", format.value));
        }
        if (!rest_.empty()) {
            return fail(bad("something behind the index"));
        }
        return std::move(index_);
    }

  private:
    template <class Number>
    Result<Number> number() {
        TRY(const BytesView bytes, take(sizeof(Number)));
        return read_little<Number>(bytes);
    }

    Result<BytesView> take(std::uint64_t size) {
        if (size > rest_.size()) {
            return fail(bad("an index that is cut short"));
        }
        const BytesView out = rest_.first(size);
        rest_ = rest_.subspan(size);
        return out;
    }

    Result<void> buckets(std::optional<HashCode> code) {
        TRY(const auto count, number<std::uint32_t>());
        for (std::uint32_t i = 0; i < count; ++i) {
            TRY(const auto width, number<std::uint32_t>());
            TRY(const auto size, number<std::uint64_t>());
            if (width <= kOffset || width > Multihash::kMaxDigest + kOffset || size % width != 0) {
                return fail(bad("an index whose entries have no such size"));
            }
            TRY(BytesView entries, take(size));
            for (; !entries.empty(); entries = entries.subspan(width)) {
                const BytesView digest = entries.first(width - kOffset);
                index_.entries_.emplace(CarIndex::key_of(code, digest),
                    read_little<std::uint64_t>(entries.subspan(width - kOffset)));
            }
        }
        return {};
    }

    BytesView rest_;
    CarIndex index_;
};

Result<CarIndex> CarIndex::decode(BytesView bytes) { return CarIndexDecoder(bytes).decode(); }

void CarIndex::add(const Cid& cid, std::uint64_t offset) {
    if (cid.hash().code() == HashCode::identity) {
        return;
    }
    entries_.emplace(key_of(cid.hash().code(), cid.hash().digest()), offset);
}

std::optional<std::uint64_t> CarIndex::find(const Cid& cid) const {
    const auto found = entries_.find(
        key_of(has_codes_ ? std::optional(cid.hash().code()) : std::nullopt, cid.hash().digest()));
    return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

Bytes CarIndex::encode() const {
    /// Entries that are as long as each other, of one function.
    struct Bucket {
        std::uint32_t width = 0;
        Bytes entries{};
    };
    std::map<std::optional<HashCode>, std::map<std::size_t, Bucket>> codes;
    for (const auto& [key, offset] : entries_) {
        const auto& [code, size, digest] = key;
        Bucket& bucket = codes[code][size];
        bucket.width = static_cast<std::uint32_t>(size + kOffset);
        append(bucket.entries, BytesView(digest));
        append_little(bucket.entries, offset);
    }
    Bytes out;
    append_varint(out, kMultihashIndexSorted);
    append_little(out, static_cast<std::uint32_t>(codes.size()));
    for (const auto& [code, buckets] : codes) {
        append_little(out, static_cast<std::uint64_t>(code.value_or(HashCode::identity)));
        append_little(out, static_cast<std::uint32_t>(buckets.size()));
        for (const auto& [size, bucket] : buckets) {
            append_little(out, bucket.width);
            append_little(out, static_cast<std::uint64_t>(bucket.entries.size()));
            append(out, BytesView(bucket.entries));
        }
    }
    return out;
}

}  // namespace decloud::multiformats
