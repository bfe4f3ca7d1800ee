#include "segment.hpp"

#include "../atomic_file.hpp"
#include "../error.hpp"
#include "crc32c.hpp"
#include "segment_file.hpp"

#include <decloud/base/units.hpp>
#include <decloud/crypto/random.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <system_error>

namespace decloud::store::internal {

namespace {

constexpr std::string_view kMagic = "decloudL";
constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kNameDigits = 20;

template <class Integer>
void put(std::uint8_t* target, Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
        target[i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
}

template <class Integer>
Integer get(const std::uint8_t* source) {
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
        value |= static_cast<Integer>(static_cast<Integer>(source[i]) << (8 * i));
    }
    return value;
}

std::array<std::uint8_t, 8> salt_bytes(std::uint64_t salt) {
    std::array<std::uint8_t, 8> bytes{};
    put(bytes.data(), salt);
    return bytes;
}

std::array<std::uint8_t, kSegmentHeaderSize> encode_header(std::uint64_t salt, std::uint64_t size) {
    std::array<std::uint8_t, kSegmentHeaderSize> header{};
    std::ranges::copy(kMagic, header.begin());
    put(header.data() + 8, kLogFormat);
    put(header.data() + 16, salt);
    put(header.data() + 24, size);
    put(header.data() + 12, crc32c(0, BytesView(header).subspan(16)));
    return header;
}

Result<void> fill(const File& file, std::uint64_t salt, std::uint64_t bytes) {
    if (const int failed = ::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes));
        failed != 0) {
        return fail(write_error("allocate a log segment", failed));
    }
    return fill_with_zeros(file, encode_header(salt, bytes), bytes);
}

}  // namespace

std::filesystem::path segment_path(
    const std::filesystem::path& directory, std::uint64_t first_sequence) {
    return directory / fmt::format("{:020}{}", first_sequence, kSuffix);
}

Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& directory) {
    std::error_code failed;
    std::filesystem::directory_iterator entries(directory, failed);
    if (failed) {
        return fail(errno_error("list " + directory.string(), failed.value()));
    }
    std::vector<SegmentName> segments;
    for (const auto& entry : entries) {
        const std::string name = entry.path().filename().string();
        if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) {
            continue;
        }
        std::uint64_t first = 0;
        const char* end = name.data() + kNameDigits;
        const auto parsed = std::from_chars(name.data(), end, first);
        if (parsed.ec == std::errc{} && parsed.ptr == end) {
            segments.push_back({entry.path(), first});
        }
    }
    std::ranges::sort(segments, {}, &SegmentName::first_sequence);
    return segments;
}

Result<NewSegment> create_segment(const std::filesystem::path& path, std::uint64_t bytes) {
    NewSegment segment;
    segment.salt = get<std::uint64_t>(crypto::random_array<8>().data());
    TRY(segment.file, File::open(path, O_RDWR | O_CREAT | O_TRUNC));
    if (auto filled = fill(segment.file, segment.salt, bytes); !filled) {
        ::unlink(path.c_str());
        return fail(filled.error().within("making log segment " + path.string()));
    }
    return segment;
}

Result<SegmentHeader> parse_segment_header(BytesView content, std::string_view name) {
    if (content.size() < kSegmentHeaderSize || !as_text(content).starts_with(kMagic)) {
        return fail(StoreError::damaged, fmt::format("log segment {}, offset 0: no header", name));
    }
    const auto version = get<std::uint32_t>(content.data() + 8);
    if (version > kLogFormat) {
        return fail(StoreError::newer_format,
            fmt::format("log segment {} has format {}, this decloud reads up to {}", name, version,
                kLogFormat));
    }
    const auto crc = get<std::uint32_t>(content.data() + 12);
    const BytesView covered = content.subspan(16, kSegmentHeaderSize - 16);
    const SegmentHeader header{
        get<std::uint64_t>(content.data() + 16), get<std::uint64_t>(content.data() + 24)};
    if (version == 0 || crc != crc32c(0, covered)) {
        return fail(StoreError::damaged,
            fmt::format("log segment {}, offset 0: the header is wrong", name));
    }
    return header;
}

void encode_record(Bytes& out,
    std::uint8_t type,
    std::uint64_t sequence,
    std::uint32_t batch_offset,
    BytesView payload) {
    const std::size_t start = out.size();
    out.resize(start + kRecordHeaderSize + payload.size());
    std::uint8_t* record = out.data() + start;
    put(record + 4, static_cast<std::uint32_t>(payload.size() << 8U) | type);
    put(record + 8, sequence);
    put(record + 16, batch_offset);
    if (!payload.empty()) {
        std::memcpy(record + kRecordHeaderSize, payload.data(), payload.size());
    }
}

void seal_batch(Bytes& batch, std::uint64_t salt) {
    const std::uint32_t begin = crc32c(0, salt_bytes(salt));
    std::size_t offset = 0;
    while (offset < batch.size()) {
        std::uint8_t* record = batch.data() + offset;
        const std::size_t size = kRecordHeaderSize + (get<std::uint32_t>(record + 4) >> 8U);
        put(record, crc32c(begin, BytesView(batch).subspan(offset + 4, size - 4)));
        offset += size;
    }
}

std::optional<ParsedRecord> parse_record(BytesView content, std::uint64_t salt) {
    if (content.size() < kRecordHeaderSize) {
        return std::nullopt;
    }
    const auto shape = get<std::uint32_t>(content.data() + 4);
    const std::size_t payload = shape >> 8U;
    const auto sequence = get<std::uint64_t>(content.data() + 8);
    const auto batch_offset = get<std::uint32_t>(content.data() + 16);
    if (sequence == 0 || batch_offset >= sequence || payload > kMaxPayload ||
        payload > content.size() - kRecordHeaderSize) {
        return std::nullopt;
    }
    const std::size_t size = kRecordHeaderSize + payload;
    const std::uint32_t crc = crc32c(crc32c(0, salt_bytes(salt)), content.subspan(4, size - 4));
    if (crc != get<std::uint32_t>(content.data())) {
        return std::nullopt;
    }
    return ParsedRecord{static_cast<std::uint8_t>(shape & 0xFFU), sequence, sequence - batch_offset,
        content.subspan(kRecordHeaderSize, payload), size};
}

}  // namespace decloud::store::internal
