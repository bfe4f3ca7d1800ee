#pragma once

#include "file.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace decloud::store::internal {

/// Layout of a segment, little-endian: 64 bytes of header (magic, format version, CRC-32C of the
/// rest, salt, size), then records, then zeros. A record: CRC-32C of all that follows it (begun
/// with the salt), length and type, sequence, place in the batch it was written with, payload.
inline constexpr std::uint32_t kLogFormat = 1;
inline constexpr std::size_t kSegmentHeaderSize = 64;
inline constexpr std::size_t kRecordHeaderSize = 20;
inline constexpr std::size_t kMaxPayload = 64 * 1024;
/// A record of the log itself: everything before it is on disk. Takes no sequence.
inline constexpr std::uint8_t kSealType = 255;

struct SegmentName {
    std::filesystem::path path;
    std::uint64_t first_sequence = 0;
};

[[nodiscard]] std::filesystem::path segment_path(
    const std::filesystem::path& directory, std::uint64_t first_sequence);
/// In the order of their sequences. Error: io.
[[nodiscard]] Result<std::vector<SegmentName>> list_segments(
    const std::filesystem::path& directory);

/// A new segment file of zeros with a fresh salt, synced. On error nothing is left behind.
struct NewSegment {
    File file;
    std::uint64_t salt = 0;
};
[[nodiscard]] Result<NewSegment> create_segment(
    const std::filesystem::path& path, std::uint64_t bytes);

struct SegmentHeader {
    std::uint64_t salt = 0;
    std::uint64_t bytes = 0;
};
/// Errors: damaged, newer_format, both with `name`.
[[nodiscard]] Result<SegmentHeader> parse_segment_header(BytesView content, std::string_view name);

/// Appends one record to `out`, without its CRC.
void encode_record(Bytes& out,
    std::uint8_t type,
    std::uint64_t sequence,
    std::uint32_t batch_offset,
    BytesView payload);
/// Fills in the CRC of every record of a batch, now that its segment is known.
void seal_batch(Bytes& batch, std::uint64_t salt);

struct ParsedRecord {
    std::uint8_t type = 0;
    std::uint64_t sequence = 0;
    std::uint64_t batch_first = 0;
    BytesView payload;
    std::size_t size = 0;
};
/// The record at the start of `content` if it is whole and its CRC is right.
[[nodiscard]] std::optional<ParsedRecord> parse_record(BytesView content, std::uint64_t salt);

}  // namespace decloud::store::internal
