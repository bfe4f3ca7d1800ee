#include "disk_store_impl.hpp"

#include <decloud/base/log.hpp>
#include <decloud/store/atomic_file.hpp>
#include <decloud/store/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace decloud::content::internal {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormatName = "decloud-blocks ";
constexpr std::uint64_t kFormatVersion = 1;
constexpr std::uint64_t kMaxFormatFile = 64;

Result<void> make_folder(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) {
        return fail(errno_error("create " + path.string(), error.value()));
    }
    return {};
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

Result<std::vector<fs::path>> files_of(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> out;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
        entry.increment(error)) {
        out.push_back(entry->path());
    }
    if (error) {
        return fail(errno_error("list " + folder.string(), error.value()));
    }
    return out;
}

Result<void> remove_files(const std::vector<fs::path>& paths) {
    for (const fs::path& path : paths) {
        std::error_code error;
        fs::remove(path, error);
        if (error) {
            return fail(errno_error("remove " + path.string(), error.value()));
        }
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<DiskStore>> DiskStore::open(
    const fs::path& folder, DiskStoreOptions options) {
    TRY_VOID(make_folder(folder / "segments"));
    TRY_VOID(make_folder(folder / "staging"));
    TRY(store::HomeLock lock, store::HomeLock::acquire(folder));
    std::unique_ptr<DiskStore> store(new DiskStore(folder, options, std::move(lock)));
    TRY_VOID(store->check_format());
    TRY(const std::vector<fs::path> staged, files_of(folder / "staging"));
    TRY_VOID(remove_files(staged));
    TRY_VOID(store->open_index());
    TRY_VOID(store->open_segments());
    for (const std::string& repair : store->repairs_) {
        log::warning("content", "{}", repair);
    }
    return store;
}

Result<void> DiskStore::check_format() const {
    const fs::path path = folder_ / "format";
    const auto found = store::read_file(path, kMaxFormatFile);
    if (!found && found.error().code() == CommonError::not_found) {
        TRY(const std::vector<fs::path> segments, files_of(folder_ / "segments"));
        if (!segments.empty()) {
            return fail(StoreError::damaged, path.string() + " is missing");
        }
        return store::write_file_atomically(
            path, as_bytes(fmt::format("{}{}\n", kFormatName, kFormatVersion)));
    }
    if (!found) {
        return fail(found.error());
    }
    std::string_view text = as_text(*found);
    if (!text.starts_with(kFormatName) || !text.ends_with('\n')) {
        return fail(StoreError::damaged, path.string());
    }
    text = text.substr(kFormatName.size(), text.size() - kFormatName.size() - 1);
    const auto version = parse_number(text);
    if (!version || *version == 0) {
        return fail(StoreError::damaged, path.string());
    }
    if (*version > kFormatVersion) {
        return fail(
            StoreError::newer_format, fmt::format("{} says version {}, this decloud knows {}",
                                          path.string(), *version, kFormatVersion));
    }
    return {};
}

Result<void> DiskStore::open_index() {
    const fs::path path = folder_ / "index.sqlite";
    auto index = BlockIndex::open(path);
    if (!index && index.error().code() == StoreError::damaged) {
        repairs_.push_back(
            fmt::format("{} was damaged and is built anew from the segments", path.string()));
        TRY_VOID(remove_files({path, path.string() + "-wal", path.string() + "-shm"}));
        index = BlockIndex::open(path);
    }
    if (!index) {
        return fail(std::move(index.error()));
    }
    index_ = std::move(*index);
    return {};
}

Result<void> DiskStore::open_segments() {
    std::map<std::uint64_t, SegmentRow> rows;
    TRY(const std::vector<SegmentRow> known, index_->segments());
    for (const SegmentRow& row : known) {
        rows[row.id] = row;
    }
    TRY(const std::vector<fs::path> files, files_of(folder_ / "segments"));
    std::vector<std::uint64_t> present;
    for (const fs::path& file : files) {
        const auto id = parse_number(file.stem().string());
        if (!id || *id == 0 || file != segment_path(*id)) {
            return fail(StoreError::damaged, file.string() + " does not belong to the store");
        }
        present.push_back(*id);
        rows[*id].id = *id;
    }
    for (const auto& [id, row] : rows) {
        next_segment_ = id + 1;
        bytes_used_ += row.live;
        if (std::ranges::find(present, id) == present.end()) {
            repairs_.push_back(fmt::format("{} is missing; the {} blocks in it cannot be read",
                segment_path(id).string(), row.blocks));
            segments_[id] = {.file = nullptr, .row = row, .sealed = true};
        }
    }
    for (const std::uint64_t id : present) {
        TRY_VOID(recover_segment(rows[id]));
    }
    return {};
}

Result<void> DiskStore::recover_segment(SegmentRow row) {
    TRY(std::shared_ptr<SegmentFile> file,
        SegmentFile::open(segment_path(row.id), options_.durability));
    const std::uint64_t from = std::max(row.indexed, SegmentFile::header_size());
    Segment& segment = segments_[row.id];
    segment = {.file = file, .row = row, .sealed = file->size() < from};
    if (segment.sealed) {
        repairs_.push_back(
            fmt::format("{} has {} bytes where {} are due; blocks beyond cannot be "
                        "read",
                file->path().string(), file->size(), from));
        return {};
    }
    segment.row.indexed = from;
    if (file->size() > from) {
        TRY(const Tail found, scan_tail(row.id, *file, from));
        segment.row.indexed = file->size();
        IndexBatch batch;
        for (const auto& [hash, block] : found) {
            TRY(const auto held, find(hash));
            if (!held || block.intact) {
                batch.put.emplace_back(hash, block.location);
            }
        }
        TRY_VOID(record(std::move(batch)));
    }
    segment.sealed = file->size() >= options_.segment_bytes;
    if (!segment.sealed) {
        active_ = row.id;
    }
    return {};
}

Result<DiskStore::Tail> DiskStore::scan_tail(
    std::uint64_t id, SegmentFile& file, std::uint64_t from) {
    Tail found;
    std::uint64_t sound = from;
    TRY_VOID(file.scan(from, [&](const Frame& frame, BytesView) -> Result<void> {
        TailBlock& block = found[frame.cid.hash()];
        if (frame.intact || !block.intact) {
            block.location = {.segment = id, .offset = frame.offset, .size = frame.size};
            block.intact = frame.intact;
        }
        sound = frame.intact ? frame.end : sound;
        return {};
    }));
    if (sound < file.size()) {
        repairs_.push_back(fmt::format("{}: {} bytes of an unfinished write were cut off",
            file.path().string(), file.size() - sound));
        TRY_VOID(file.truncate(sound));
    }
    // Damaged blocks before a sound one stay in the index, so that reading them says so.
    std::erase_if(found, [&](const auto& item) { return item.second.location.offset >= sound; });
    return found;
}

fs::path DiskStore::segment_path(std::uint64_t id) const { return folder_ / segment_file(id); }

}  // namespace decloud::content::internal
