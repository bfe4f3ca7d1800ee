#include "car.hpp"

#include "varint.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace decloud::multiformats {

namespace {

constexpr std::uint8_t kCborBytes = 2;
constexpr std::uint8_t kCborText = 3;
constexpr std::uint8_t kCborArray = 4;
constexpr std::uint8_t kCborMap = 5;
constexpr std::uint8_t kCborTag = 6;
constexpr std::uint64_t kCidTag = 42;
/// Room for a cid of the largest digest in a section, beyond the block.
constexpr std::size_t kMaxCid = 160;
constexpr std::size_t kSlice = std::size_t{256} << 10U;

Error bad(std::string_view detail) {
    return {make_error_code(CommonError::invalid_input), fmt::format("CAR: {}", detail)};
}

void append_cbor_head(Bytes& out, std::uint8_t major, std::uint64_t value) {
    const auto type = static_cast<std::uint8_t>(major << 5U);
    if (value < 24) {
        out.push_back(static_cast<std::uint8_t>(type | value));
        return;
    }
    unsigned size_code = 0;
    while (size_code < 3 && value >> (8U << size_code) != 0) {
        ++size_code;
    }
    out.push_back(static_cast<std::uint8_t>(type | (24U + size_code)));
    for (unsigned shift = 8U << size_code; shift > 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(value >> (shift - 8)));
    }
}

/// Takes the canonical DAG-CBOR of a header apart.
class HeaderReader {
  public:
    explicit HeaderReader(BytesView input) : rest_(input) {}

    Result<std::uint64_t> head(std::uint8_t major) {
        if (rest_.empty() || rest_[0] >> 5U != major) {
            return fail(bad("a malformed header"));
        }
        const unsigned small = rest_[0] & 31U;
        rest_ = rest_.subspan(1);
        if (small < 24) {
            return small;
        }
        const std::size_t size = std::size_t{1} << (small - 24);
        if (small > 27 || rest_.size() < size) {
            return fail(bad("a malformed header"));
        }
        std::uint64_t value = 0;
        for (const std::uint8_t byte : rest_.first(size)) {
            value = (value << 8U) | byte;
        }
        rest_ = rest_.subspan(size);
        if (value < 24 || (size > 1 && value >> (size * 4) == 0)) {
            return fail(bad("a header that is not canonical"));
        }
        return value;
    }

    Result<BytesView> counted(std::uint8_t major) {
        TRY(const std::uint64_t size, head(major));
        if (size > rest_.size()) {
            return fail(bad("a malformed header"));
        }
        const BytesView out = rest_.first(size);
        rest_ = rest_.subspan(size);
        return out;
    }

    Result<void> key(std::string_view name) {
        TRY(const BytesView found, counted(kCborText));
        if (as_text(found) != name) {
            return fail(bad("a header without \"" + std::string(name) + "\" where it is due"));
        }
        return {};
    }

    Result<Cid> link() {
        TRY(const std::uint64_t tag, head(kCborTag));
        TRY(const BytesView bytes, counted(kCborBytes));
        if (tag != kCidTag || bytes.empty() || bytes[0] != 0) {
            return fail(bad("a root that is not a cid"));
        }
        return Cid::from_bytes(bytes.subspan(1));
    }

    [[nodiscard]] bool done() const { return rest_.empty(); }

  private:
    BytesView rest_;
};

Result<std::vector<Cid>> decode_car_header(BytesView header, std::size_t max_roots) {
    HeaderReader reader(header);
    TRY(const std::uint64_t members, reader.head(kCborMap));
    if (members != 2) {
        return fail(bad("a header with other members than roots and version"));
    }
    TRY_VOID(reader.key("roots"));
    TRY(const std::uint64_t count, reader.head(kCborArray));
    if (count > max_roots) {
        return fail(CommonError::limit_exceeded, "CAR: too many roots");
    }
    std::vector<Cid> roots;
    for (std::uint64_t i = 0; i < count; ++i) {
        TRY(Cid root, reader.link());
        roots.push_back(std::move(root));
    }
    TRY_VOID(reader.key("version"));
    TRY(const std::uint64_t version, reader.head(0));
    if (version != 1 || !reader.done()) {
        return fail(bad("not a header of version 1"));
    }
    return roots;
}

}  // namespace

Bytes encode_car_header(std::span<const Cid> roots) {
    Bytes header;
    append_cbor_head(header, kCborMap, 2);
    append_cbor_head(header, kCborText, 5);
    append(header, "roots");
    append_cbor_head(header, kCborArray, roots.size());
    for (const Cid& root : roots) {
        append_cbor_head(header, kCborTag, kCidTag);
        const Bytes bytes = root.to_bytes();
        append_cbor_head(header, kCborBytes, bytes.size() + 1);
        header.push_back(0);
        append(header, BytesView(bytes));
    }
    append_cbor_head(header, kCborText, 7);
    append(header, "version");
    append_cbor_head(header, 0, 1);

    Bytes out;
    append_varint(out, header.size());
    append(out, BytesView(header));
    return out;
}

void append_car_section(Bytes& out, const Cid& cid, BytesView data) {
    append(out, BytesView(car_section_prefix(cid, data.size())));
    append(out, data);
}

Bytes car_section_prefix(const Cid& cid, std::size_t bytes) {
    const Bytes id = cid.to_bytes();
    Bytes out;
    append_varint(out, id.size() + bytes);
    append(out, BytesView(id));
    return out;
}

CarReader::CarReader(CarReaderLimits limits, RootsHandler on_roots, BlockHandler on_block)
    : limits_(limits), on_roots_(std::move(on_roots)), on_block_(std::move(on_block)) {}

Result<void> CarReader::write(BytesView bytes) {
    if (failed_) {
        return fail(bad("reading goes on after an error"));
    }
    // In slices, so that a large piece is not held twice.
    while (!bytes.empty()) {
        const BytesView slice = bytes.first(std::min(bytes.size(), kSlice));
        bytes = bytes.subspan(slice.size());
        total_ += slice.size();
        Result<void> status;
        if (total_ > limits_.max_total_bytes) {
            status = fail(CommonError::limit_exceeded,
                fmt::format("CAR: more than {} bytes", limits_.max_total_bytes));
        }
        for (BytesView rest = slice; status && !rest.empty();) {
            const auto taken = take_part(rest);
            if (taken) {
                rest = rest.subspan(*taken);
            } else {
                status = std::unexpected(taken.error());
            }
        }
        if (!status) {
            failed_ = true;
            return status;
        }
    }
    return {};
}

Result<void> CarReader::finish() {
    if (failed_ || !header_read_ || !buffer_.empty()) {
        failed_ = true;
        return fail(bad(header_read_ ? "it ends inside a section" : "it ends inside its header"));
    }
    if (v2_ && part_ != Part::index) {
        failed_ = true;
        return fail(
            bad(part_ == Part::data ? "it ends inside its data" : "it ends before its index"));
    }
    return {};
}

Result<std::size_t> CarReader::take_part(BytesView slice) {
    switch (part_) {
        case Part::start:
            return take_start(slice);
        case Part::v2_header:
            return take_v2_header(slice);
        case Part::padding: {
            const std::size_t passed = pass_over(slice, Part::data);
            if (part_ == Part::data && v2_) {
                left_ = v2_->data_size;
            }
            return passed;
        }
        case Part::data:
            return take_data(slice);
        case Part::index_padding:
            return pass_over(slice, Part::index);
        case Part::index:
            return take_index(slice);
    }
    return fail(bad("no part"));
}

std::size_t CarReader::take_start(BytesView slice) {
    const std::size_t known = buffer_.size();
    const std::size_t taken = std::min(slice.size(), kCarV2Pragma.size() - known);
    if (!std::ranges::equal(slice.first(taken), std::span(kCarV2Pragma).subspan(known, taken))) {
        // What the buffer has is the beginning of a CARv1 header.
        part_ = Part::data;
        return 0;
    }
    append(buffer_, slice.first(taken));
    if (buffer_.size() == kCarV2Pragma.size()) {
        buffer_.clear();
        part_ = Part::v2_header;
    }
    return taken;
}

Result<std::size_t> CarReader::take_v2_header(BytesView slice) {
    const std::size_t taken = std::min(slice.size(), kCarV2HeaderBytes - buffer_.size());
    append(buffer_, slice.first(taken));
    if (buffer_.size() == kCarV2HeaderBytes) {
        TRY(v2_, decode_car_v2_header(buffer_));
        buffer_.clear();
        left_ = v2_->data_offset - kCarV2DataOffset;
        part_ = Part::padding;
        if (left_ == 0) {
            left_ = v2_->data_size;
            part_ = Part::data;
        }
    }
    return taken;
}

std::size_t CarReader::pass_over(BytesView slice, Part next) {
    const auto passed = static_cast<std::size_t>(std::min<std::uint64_t>(slice.size(), left_));
    left_ -= passed;
    if (left_ == 0) {
        part_ = next;
    }
    return passed;
}

Result<std::size_t> CarReader::take_data(BytesView slice) {
    if (!v2_) {
        append(buffer_, slice);
        TRY_VOID(consume());
        return slice.size();
    }
    const std::size_t taken = pass_over(slice, Part::index_padding);
    append(buffer_, slice.first(taken));
    TRY_VOID(consume());
    if (part_ != Part::data) {
        if (!buffer_.empty()) {
            return fail(bad("its data ends inside a section"));
        }
        left_ = v2_->index_offset == 0 ? 0 : v2_->index_offset - v2_->data_offset - v2_->data_size;
        part_ = left_ == 0 ? Part::index : Part::index_padding;
    }
    return taken;
}

Result<std::size_t> CarReader::take_index(BytesView slice) {
    if (v2_ && v2_->index_offset != 0 && limits_.max_index > 0) {
        if (slice.size() > limits_.max_index - index_.size()) {
            return fail(CommonError::limit_exceeded,
                fmt::format("CAR: an index of more than {} bytes", limits_.max_index));
        }
        append(index_, slice);
    }
    return slice.size();
}

Result<void> CarReader::consume() {
    std::size_t used = 0;
    for (;;) {
        const BytesView rest = BytesView(buffer_).subspan(used);
        const auto length = read_varint(rest);
        if (!length) {
            if (length.error().code() == CommonError::unavailable) {
                break;
            }
            return fail(length.error().within("CAR"));
        }
        const std::size_t limit = header_read_ ? limits_.max_block + kMaxCid : limits_.max_header;
        if (length->value > limit) {
            return fail(CommonError::limit_exceeded,
                fmt::format("CAR: a section of {} bytes", length->value));
        }
        if (rest.size() - length->size < length->value) {
            break;
        }
        section_offset_ = data_position_ + used;
        TRY_VOID(take_section(rest.subspan(length->size, length->value)));
        used += length->size + length->value;
    }
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used));
    data_position_ += used;
    return {};
}

Result<void> CarReader::take_section(BytesView section) {
    if (!header_read_) {
        TRY(std::vector<Cid> roots, decode_car_header(section, limits_.max_roots));
        header_read_ = true;
        return on_roots_(std::move(roots));
    }
    auto decoded = Cid::read(section);
    if (!decoded) {
        return fail(bad("a section without a cid: " + decoded.error().detail()));
    }
    const BytesView data = section.subspan(decoded->size);
    if (data.size() > limits_.max_block) {
        return fail(CommonError::limit_exceeded,
            fmt::format("CAR: block {} has {} bytes", decoded->cid.to_string(), data.size()));
    }
    if (++blocks_ > limits_.max_blocks) {
        return fail(CommonError::limit_exceeded,
            fmt::format("CAR: more than {} blocks", limits_.max_blocks));
    }
    if (limits_.verify) {
        TRY_VOID(decoded->cid.verify(data));
    }
    return on_block_(decoded->cid, data);
}

}  // namespace decloud::multiformats
