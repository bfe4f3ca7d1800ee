#include "log_reader.hpp"

#include "../atomic_file.hpp"
#include "../error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace decloud::store::internal {

namespace {

constexpr std::uint64_t kMaxSegmentBytes = 1 * kGiB;

bool all_zero(BytesView content) {
    return std::ranges::all_of(content, [](std::uint8_t byte) { return byte == 0; });
}

class Reader {
  public:
    Reader(std::uint64_t from_sequence, const GroupCommitLog::Replay& replay, LogContent& content)
        : from_(from_sequence), replay_(replay), content_(content) {}

    Result<void> read(const SegmentName& segment, bool is_last);
    [[nodiscard]] std::uint64_t expected() const { return expected_; }
    void begin_at(std::uint64_t sequence) { expected_ = sequence; }

  private:
    Result<std::size_t> walk(BytesView content, std::uint64_t salt, std::string_view name);
    Result<void> deliver(const ParsedRecord& record, std::string_view name, std::size_t offset);
    [[nodiscard]] bool later_batch_behind(
        BytesView content, std::size_t offset, std::uint64_t salt) const;
    Result<void> cut(
        const File& file, BytesView content, std::size_t offset, std::string_view name);
    Result<void> lengthen(
        const File& file, const Bytes& content, std::size_t size, std::string_view name);

    std::uint64_t from_;
    const GroupCommitLog::Replay& replay_;
    LogContent& content_;
    std::uint64_t expected_ = 1;
    bool sealed_ = false;
};

Result<void> Reader::deliver(
    const ParsedRecord& record, std::string_view name, std::size_t offset) {
    if (record.sequence != expected_) {
        return fail(StoreError::damaged,
            fmt::format("log segment {}, offset {}: record {} where {} belongs", name, offset,
                record.sequence, expected_));
    }
    sealed_ = record.type == kSealType;
    if (sealed_) {
        return {};
    }
    ++expected_;
    content_.recovery.last_sequence = record.sequence;
    if (record.sequence >= from_) {
        ++content_.recovery.records;
        return replay_({record.sequence, record.type, record.payload});
    }
    return {};
}

/// Returns the offset behind the last whole record.
Result<std::size_t> Reader::walk(BytesView content, std::uint64_t salt, std::string_view name) {
    std::size_t offset = kSegmentHeaderSize;
    while (const auto record = parse_record(content.subspan(offset), salt)) {
        TRY_VOID(deliver(*record, name, offset));
        offset += record->size;
    }
    return offset;
}

/// A batch is written only after the one before it was synced. So a record of a later batch behind
/// a bad one says that the bad one had been durable.
bool Reader::later_batch_behind(BytesView content, std::size_t offset, std::uint64_t salt) const {
    for (std::size_t at = offset; at + kRecordHeaderSize <= content.size(); ++at) {
        const auto record = parse_record(content.subspan(at), salt);
        if (record && record->batch_first > expected_) {
            return true;
        }
    }
    return false;
}

Result<void> Reader::cut(
    const File& file, BytesView content, std::size_t offset, std::string_view name) {
    std::size_t end = content.size();
    while (end > offset && content[end - 1] == 0) {
        --end;
    }
    content_.recovery.bytes_cut = end - offset;
    content_.recovery.cut_at = fmt::format("segment {}, offset {}", name, offset);
    const Bytes zeros(end - offset, 0);
    return file.write_at(zeros, offset);
}

/// A segment has its whole size from the start, so a shorter one has lost its end.
Result<void> Reader::lengthen(
    const File& file, const Bytes& content, std::size_t size, std::string_view name) {
    if (content_.recovery.cut_at.empty()) {
        content_.recovery.cut_at = fmt::format("segment {}, offset {}", name, size);
    }
    return file.write_at(BytesView(content).subspan(size), size);
}

Result<void> Reader::read(const SegmentName& segment, bool is_last) {
    const std::string name = segment.path.filename().string();
    if (segment.first_sequence != expected_) {
        return fail(StoreError::damaged,
            fmt::format("log segment {}, offset 0: records from {} on are missing before it", name,
                expected_));
    }
    TRY(Bytes content, read_file(segment.path, kMaxSegmentBytes));
    TRY(const SegmentHeader header, parse_segment_header(content, name));
    const std::size_t size = content.size();
    if (header.bytes > kMaxSegmentBytes || size > header.bytes ||
        (size < header.bytes && !is_last)) {
        return fail(StoreError::damaged,
            fmt::format("log segment {} has {} bytes instead of {}", name, size, header.bytes));
    }
    content.resize(header.bytes);
    TRY(const std::size_t offset, walk(content, header.salt, name));
    const BytesView rest = BytesView(content).subspan(offset);
    const bool clean = all_zero(rest);
    if (!clean && (!is_last || later_batch_behind(content, offset, header.salt))) {
        return fail(StoreError::damaged,
            fmt::format("log segment {}, offset {}: record {} is damaged and later ones are not; "
                        "restore the home from a backup",
                name, offset, expected_));
    }
    content_.segments.push_back(segment.first_sequence);
    if (!is_last) {
        return {};
    }
    TRY(File file, File::open(segment.path, O_RDWR));
    if (!clean) {
        TRY_VOID(cut(file, content, offset, name));
    }
    if (size < content.size()) {
        TRY_VOID(lengthen(file, content, size, name));
    }
    TRY_VOID(file.sync_data());
    content_.end = LogEnd{std::move(file), header.salt, header.bytes, offset, sealed_ && clean};
    return {};
}

}  // namespace

Result<LogContent> read_log(const std::filesystem::path& directory,
    std::uint64_t from_sequence,
    const GroupCommitLog::Replay& replay) {
    LogContent content;
    TRY(const auto segments, list_segments(directory));
    Reader reader(from_sequence, replay, content);
    if (!segments.empty()) {
        reader.begin_at(segments.front().first_sequence);
    }
    if (reader.expected() > from_sequence) {
        return fail(
            StoreError::damaged, fmt::format("log {}: records {} to {} are missing",
                                     directory.string(), from_sequence, reader.expected() - 1));
    }
    content.recovery.last_sequence = reader.expected() - 1;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        TRY_VOID(reader.read(segments[i], i + 1 == segments.size()));
    }
    if (reader.expected() < from_sequence) {
        return fail(StoreError::damaged,
            fmt::format("log {}: ends with record {} although the state folded from it goes to {}",
                directory.string(), reader.expected() - 1, from_sequence - 1));
    }
    return content;
}

}  // namespace decloud::store::internal
