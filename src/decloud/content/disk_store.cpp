#include "disk_store.hpp"

#include "internal/checked_block.hpp"
#include "internal/disk_store_impl.hpp"

#include <decloud/multiformats/varint.hpp>
#include <decloud/store/atomic_file.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <unordered_set>
#include <utility>

namespace decloud::content {

Result<std::unique_ptr<DiskBlockStore>> open_disk_store(
    const std::filesystem::path& folder, DiskStoreOptions options) {
    return internal::DiskStore::open(folder, options);
}

std::filesystem::path segment_file(std::uint64_t segment) {
    return std::filesystem::path("segments") / fmt::format("{:08}.car", segment);
}

namespace internal {

namespace {

/// Of a version, a codec, and a multihash of 64 bytes.
constexpr std::uint64_t kLongestCid = 80;
constexpr std::uint64_t kCompactBatch = std::uint64_t{8} << 20U;
/// What framing adds to a block of the usual kind: CIDv1 and a varint.
constexpr std::uint64_t kFrameBytes = 39;

}  // namespace

Result<void> DiskStore::check_room(std::uint64_t bytes) const {
    const std::uint64_t used = bytes_used_;
    if (used > options_.max_bytes || bytes > options_.max_bytes - used) {
        return fail(CommonError::limit_exceeded,
            fmt::format(
                "the block store is limited to {} bytes and holds {}", options_.max_bytes, used));
    }
    return {};
}

Result<void> DiskStore::put_all(std::span<const Block> blocks) {
    SectionBuffer batch;
    for (const Block& block : blocks) {
        TRY_VOID(check_block(block.cid, block.data));
        if (!is_inline(block.cid)) {
            batch.add(block.cid, block.data);
        }
    }
    return append_batch(batch);
}

Result<std::unique_ptr<StagedBlocks>> DiskStore::stage() {
    const std::lock_guard lock(write_mutex_);
    return std::make_unique<DiskStagedBlocks>(*this,
        folder_ / "staging" / fmt::format("{}.car", next_staging_++), options_.staging_memory,
        options_.durability);
}

Result<std::optional<DiskStore::Place>> DiskStore::find(const Multihash& hash) const {
    TRY(const std::optional<Location> location, index_->find(hash));
    if (!location) {
        return std::nullopt;
    }
    const auto segment = segments_.find(location->segment);
    return Place{
        .location = *location, .file = segment == segments_.end() ? nullptr : segment->second.file};
}

Result<std::optional<Bytes>> DiskStore::get(const Cid& cid) const {
    return get_block(cid, Hashing::as_needed);
}

Result<std::optional<Bytes>> DiskStore::get_block(const Cid& cid, Hashing hashing) const {
    if (is_inline(cid)) {
        return to_bytes(cid.hash().digest());
    }
    std::optional<Place> place;
    {
        const std::lock_guard lock(index_mutex_);
        TRY(place, find(cid.hash()));
    }
    if (!place) {
        return std::nullopt;
    }
    if (place->file == nullptr) {
        return fail(CommonError::corrupt, fmt::format("block {}: its segment {} is missing",
                                              cid.to_string(), place->location.segment));
    }
    TRY(Bytes data, read_block(cid, *place, hashing));
    return data;
}

Result<Bytes> DiskStore::read_block(const Cid& cid, const Place& place, Hashing hashing) const {
    const auto now = std::chrono::steady_clock::now();
    const auto generation = place.file->generation();
    TRY(Bytes data, place.file->read(place.location.offset, place.location.size));
    const bool whole = data.size() == place.location.size;
    if (whole && generation && hashing == Hashing::as_needed &&
        verified_.contains(place.location, *generation, now) &&
        place.file->generation() == generation) {
        return data;
    }
    if (!whole || !cid.verify(data)) {
        return fail(
            CommonError::corrupt, fmt::format("block {} is damaged in {} at {}", cid.to_string(),
                                      place.file->path().string(), place.location.offset));
    }
    if (generation) {
        verified_.note(place.location, *generation, now);
    }
    return data;
}

Result<bool> DiskStore::has(const Cid& cid) const {
    if (is_inline(cid)) {
        return true;
    }
    const std::lock_guard lock(index_mutex_);
    TRY(const auto place, index_->find(cid.hash()));
    return place.has_value();
}

Result<std::optional<Bytes>> DiskStore::read_intact(const Multihash& hash) const {
    auto data = get(Cid::v1(multiformats::Codec::raw, hash));
    if (!data && data.error().code() == CommonError::corrupt) {
        return std::nullopt;
    }
    return data;
}

Result<DiskStore::Entries> DiskStore::not_held(const Entries& entries) const {
    Entries out;
    std::unordered_set<Multihash> seen;
    for (const SectionBuffer::Entry& entry : entries) {
        if (!seen.insert(entry.hash).second) {
            continue;
        }
        // Read, not looked up: what is damaged is replaced by what came.
        TRY(const auto held, read_intact(entry.hash));
        if (!held) {
            out.push_back(entry);
        }
    }
    return out;
}

std::vector<Multihash> DiskStore::hashes_of(const Entries& entries) {
    std::vector<Multihash> out;
    out.reserve(entries.size());
    for (const SectionBuffer::Entry& entry : entries) {
        out.push_back(entry.hash);
    }
    return out;
}

Result<void> DiskStore::append_batch(const SectionBuffer& batch) {
    const std::lock_guard lock(write_mutex_);
    TRY(const Entries fresh, not_held(batch.entries));
    std::uint64_t added = 0;
    for (const SectionBuffer::Entry& entry : fresh) {
        added += entry.size;
    }
    TRY_VOID(check_room(added));
    // What is held already may be old and unpinned: it counts as added now, too.
    std::vector<Multihash> all = hashes_of(batch.entries);
    if (fresh.empty()) {
        return refresh_all(std::move(all));
    }
    if (fresh.size() == batch.entries.size()) {
        return append_sections(batch.bytes, fresh, std::move(all));
    }
    Bytes sections;
    Entries moved;
    for (SectionBuffer::Entry entry : fresh) {
        const std::uint64_t start = sections.size();
        append(
            sections, BytesView(batch.bytes).subspan(entry.section, entry.end() - entry.section));
        entry.data = start + (entry.data - entry.section);
        entry.section = start;
        moved.push_back(std::move(entry));
    }
    return append_sections(sections, moved, std::move(all));
}

Result<void> DiskStore::refresh_all(std::vector<Multihash> hashes) {
    const std::lock_guard lock(index_mutex_);
    IndexBatch batch;
    batch.refresh = std::move(hashes);
    return record(std::move(batch));
}

Result<std::uint64_t> DiskStore::active_segment() {
    if (active_ != 0) {
        const std::lock_guard lock(index_mutex_);
        Segment& segment = segments_.at(active_);
        if (!segment.sealed && segment.file->size() < options_.segment_bytes) {
            return active_;
        }
        segment.sealed = true;
    }
    const std::uint64_t id = next_segment_++;
    auto file = SegmentFile::create(segment_path(id), options_.durability);
    auto synced = file ? store::sync_directory(folder_ / "segments") : Result<void>{};
    if (!file || !synced) {
        ::unlink(segment_path(id).c_str());
        return fail(file ? std::move(synced.error()) : std::move(file.error()));
    }
    const std::lock_guard lock(index_mutex_);
    const SegmentRow row{.id = id, .indexed = (*file)->size(), .live = 0, .blocks = 0};
    segments_[id] = {.file = std::move(*file), .row = row, .sealed = false};
    active_ = id;
    return id;
}

Result<void> DiskStore::append_sections(
    BytesView sections, const Entries& entries, std::vector<Multihash> refresh) {
    TRY(const std::uint64_t id, active_segment());
    SegmentFile& file = *segments_.at(id).file;
    const std::uint64_t base = file.size();
    auto status = file.append(sections);
    const std::lock_guard lock(index_mutex_);
    Segment& segment = segments_.at(id);
    if (!status) {
        segment.sealed = file.poisoned();
        return status;
    }
    IndexBatch batch;
    batch.refresh = std::move(refresh);
    for (const SectionBuffer::Entry& entry : entries) {
        batch.put.emplace_back(
            entry.hash, Location{.segment = id, .offset = base + entry.data, .size = entry.size});
    }
    const std::uint64_t indexed = segment.row.indexed;
    segment.row.indexed = file.size();
    status = record(std::move(batch));
    if (!status) {
        segment.row.indexed = indexed;
        segment.sealed = !file.truncate(base);
    }
    return status;
}

void DiskStore::count(
    std::map<std::uint64_t, SegmentRow>& rows, const Location& place, bool added) const {
    const auto segment = segments_.find(place.segment);
    if (segment == segments_.end()) {
        return;
    }
    SegmentRow& row = rows.try_emplace(place.segment, segment->second.row).first->second;
    if (added) {
        row.live += place.size;
        ++row.blocks;
    } else {
        row.live -= std::min(row.live, place.size);
        row.blocks -= std::min<std::uint64_t>(row.blocks, 1);
    }
}

Result<void> DiskStore::record(IndexBatch batch) {
    std::map<std::uint64_t, SegmentRow> rows;
    for (const auto& [hash, place] : batch.put) {
        TRY(const auto held, index_->find(hash));
        if (held) {
            count(rows, *held, false);
        }
        count(rows, place, true);
    }
    for (const Multihash& hash : batch.erase) {
        TRY(const auto held, index_->find(hash));
        if (held) {
            count(rows, *held, false);
        }
    }
    for (const auto& [id, row] : rows) {
        batch.segments.push_back(row);
    }
    TRY_VOID(index_->apply(batch, options_.clock->unix_seconds()));
    for (const auto& [id, row] : rows) {
        Segment& segment = segments_.at(id);
        bytes_used_ += row.live - segment.row.live;
        segment.row = row;
    }
    return {};
}

Result<void> DiskStore::adopt_file(
    const std::filesystem::path& path, const std::vector<SectionBuffer::Entry>& entries) {
    const std::lock_guard write_lock(write_mutex_);
    TRY(const Entries fresh, not_held(entries));
    std::uint64_t added = 0;
    for (const SectionBuffer::Entry& entry : fresh) {
        added += entry.size;
    }
    TRY_VOID(check_room(added));
    if (fresh.empty()) {
        return refresh_all(hashes_of(entries));
    }
    const std::uint64_t id = next_segment_++;
    const std::filesystem::path target = segment_path(id);
    if (::rename(path.c_str(), target.c_str()) != 0) {
        return fail(errno_error("rename " + path.string()));
    }
    const auto adopt = [&]() -> Result<void> {
        TRY_VOID(store::sync_directory(folder_ / "segments"));
        TRY(std::shared_ptr<SegmentFile> file, SegmentFile::open(target, options_.durability));
        const std::lock_guard lock(index_mutex_);
        const SegmentRow row{.id = id, .indexed = file->size(), .live = 0, .blocks = 0};
        segments_[id] = {.file = std::move(file), .row = row, .sealed = true};
        IndexBatch batch;
        batch.refresh = hashes_of(entries);
        for (const SectionBuffer::Entry& entry : fresh) {
            batch.put.emplace_back(
                entry.hash, Location{.segment = id, .offset = entry.data, .size = entry.size});
        }
        return record(std::move(batch));
    };
    auto status = adopt();
    if (!status) {
        const std::lock_guard lock(index_mutex_);
        segments_.erase(id);
        ::unlink(target.c_str());
    }
    return status;
}

Result<void> DiskStore::remove(const Cid& cid) {
    const std::lock_guard write_lock(write_mutex_);
    const std::lock_guard lock(index_mutex_);
    IndexBatch batch;
    batch.erase.push_back(cid.hash());
    return record(std::move(batch));
}

Result<void> DiskStore::refresh(std::span<const Cid> cids) {
    const std::lock_guard write_lock(write_mutex_);
    const std::lock_guard lock(index_mutex_);
    IndexBatch batch;
    for (const Cid& cid : cids) {
        if (is_inline(cid)) {
            continue;
        }
        TRY(const auto held, index_->find(cid.hash()));
        if (!held) {
            return fail(CommonError::not_found, "block " + cid.to_string());
        }
        batch.refresh.push_back(cid.hash());
    }
    return record(std::move(batch));
}

Result<DiskBlockStore::Removed> DiskStore::remove_old(
    std::span<const Multihash> hashes, UnixSeconds added_by) {
    const std::lock_guard write_lock(write_mutex_);
    const std::lock_guard lock(index_mutex_);
    IndexBatch batch;
    Removed removed;
    for (const Multihash& hash : hashes) {
        TRY(const auto row, index_->find_row(hash));
        if (row && row->added <= added_by) {
            batch.erase.push_back(hash);
            ++removed.blocks;
            removed.bytes += row->location.size;
        }
    }
    TRY_VOID(record(std::move(batch)));
    return removed;
}

Result<std::vector<DiskBlockStore::Entry>> DiskStore::list(
    const std::optional<Multihash>& after, std::size_t count) const {
    std::vector<BlockIndex::Row> rows;
    {
        const std::lock_guard lock(index_mutex_);
        TRY(rows, index_->page(after ? after->to_bytes() : Bytes(), count));
    }
    std::vector<Entry> out;
    out.reserve(rows.size());
    for (BlockIndex::Row& row : rows) {
        out.push_back(
            {.hash = std::move(row.hash), .bytes = row.location.size, .added = row.added});
    }
    return out;
}

/// A section has the id right before the bytes, and the length of both before it: a CIDv0 is also
/// the end of a CIDv1.
Cid DiskStore::cid_in_file(const Multihash& hash, const Location& location) const {
    Cid raw = Cid::v1(multiformats::Codec::raw, hash);
    std::shared_ptr<const SegmentFile> file;
    {
        const std::lock_guard lock(index_mutex_);
        const auto segment = segments_.find(location.segment);
        file = segment == segments_.end() ? nullptr : segment->second.file;
    }
    const std::uint64_t size = std::min(kLongestCid, location.offset);
    const auto before = file ? file->read(location.offset - size, size) : Bytes();
    for (std::size_t length = 2; before && length <= before->size(); ++length) {
        auto cid = Cid::from_bytes(BytesView(*before).last(length));
        Bytes due;
        multiformats::append_varint(due, length + location.size);
        const BytesView rest = BytesView(*before).first(before->size() - length);
        if (cid && cid->hash() == hash && rest.size() >= due.size() &&
            std::ranges::equal(rest.last(due.size()), due)) {
            return std::move(*cid);
        }
    }
    return raw;
}

Result<DiskBlockStore::Verified> DiskStore::verify_some(
    const std::optional<Multihash>& after, std::size_t count) const {
    std::vector<BlockIndex::Row> rows;
    {
        const std::lock_guard lock(index_mutex_);
        TRY(rows, index_->page(after ? after->to_bytes() : Bytes(), count));
    }
    Verified out;
    for (const BlockIndex::Row& row : rows) {
        const auto data = get_block(Cid::v1(multiformats::Codec::raw, row.hash), Hashing::always);
        if (!data && data.error().code() != CommonError::corrupt) {
            return fail(data.error());
        }
        ++out.blocks;
        out.bytes += row.location.size;
        if (!data) {
            out.damaged.push_back({.cid = cid_in_file(row.hash, row.location),
                .segment = row.location.segment,
                .offset = row.location.offset});
        }
    }
    if (!rows.empty()) {
        out.last = std::move(rows.back().hash);
    }
    return out;
}

bool DiskStore::mostly_dead(const Segment& segment) {
    const std::uint64_t used = segment.row.live + segment.row.blocks * kFrameBytes;
    return segment.file != nullptr && segment.row.indexed > SegmentFile::header_size() + 2 * used;
}

std::vector<std::uint64_t> DiskStore::sparse_segments() const {
    const std::lock_guard lock(index_mutex_);
    std::vector<std::uint64_t> out;
    for (const auto& [id, segment] : segments_) {
        if (mostly_dead(segment)) {
            out.push_back(id);
        }
    }
    return out;
}

Result<DiskStore::Copied> DiskStore::copy_live_blocks(const SegmentFile& file, std::uint64_t id) {
    SectionBuffer batch;
    Copied copied;
    const auto flush = [&]() -> Result<void> {
        copied.bytes += batch.bytes.size();
        const SectionBuffer full = std::exchange(batch, {});
        return full.entries.empty() ? Result<void>{} : append_sections(full.bytes, full.entries);
    };
    TRY_VOID(file.scan(
        SegmentFile::header_size(), [&](const Frame& frame, BytesView data) -> Result<void> {
            {
                const std::lock_guard lock(index_mutex_);
                TRY(const auto place, index_->find(frame.cid.hash()));
                if (place != Location{.segment = id, .offset = frame.offset, .size = frame.size}) {
                    return {};
                }
            }
            copied.damaged = copied.damaged || !frame.intact;
            if (frame.intact) {
                batch.add(frame.cid, data);
            }
            return batch.bytes.size() > kCompactBatch ? flush() : Result<void>{};
        }));
    TRY_VOID(flush());
    return copied;
}

Result<std::uint64_t> DiskStore::compact_segment(std::uint64_t id) {
    const std::lock_guard write_lock(write_mutex_);
    std::shared_ptr<SegmentFile> file;
    {
        const std::lock_guard lock(index_mutex_);
        const auto segment = segments_.find(id);
        if (segment == segments_.end() || !mostly_dead(segment->second)) {
            return 0;
        }
        segment->second.sealed = true;
        file = segment->second.file;
    }
    TRY(const Copied copied, copy_live_blocks(*file, id));
    const std::lock_guard lock(index_mutex_);
    if (copied.damaged || segments_.at(id).row.blocks != 0) {
        // A damaged block stays where it can be named and looked at.
        return 0;
    }
    // The rows that led here must not come back after a power cut.
    TRY_VOID(index_->sync());
    IndexBatch drop;
    drop.drop_segments.push_back(id);
    TRY_VOID(record(std::move(drop)));
    segments_.erase(id);
    if (active_ == id) {
        active_ = 0;
    }
    ::unlink(file->path().c_str());
    return file->size() > copied.bytes ? file->size() - copied.bytes : 0;
}

}  // namespace internal

}  // namespace decloud::content
