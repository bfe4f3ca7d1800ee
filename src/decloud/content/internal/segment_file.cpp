#include "segment_file.hpp"

#include <decloud/multiformats/car.hpp>
#include <decloud/multiformats/varint.hpp>
#include <decloud/store/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>

namespace decloud::content::internal {

namespace {

/// A varint and the longest cid.
constexpr std::size_t kMaxPrefix = 192;

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
/// Far more than a step of the clock that files' times are taken from.
constexpr std::int64_t kSettledAfter = kNanosecondsPerSecond / 10;

Bytes header() { return multiformats::encode_car_header({}); }

std::int64_t nanoseconds(const timespec& time) {
    return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

std::optional<std::int64_t> time_of_change(const Descriptor& file) {
    struct stat status{};
    if (::fstat(file.number(), &status) != 0) {
        return std::nullopt;
    }
    return nanoseconds(status.st_ctim);
}

bool is_settled(std::int64_t changed) {
    timespec now{};
    return ::clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 &&
           nanoseconds(now) - changed >= kSettledAfter;
}

}  // namespace

void SectionBuffer::add(const Cid& cid, BytesView data) {
    const std::uint64_t section = bytes.size();
    multiformats::append_car_section(bytes, cid, data);
    entries.push_back({.hash = cid.hash(),
        .section = section,
        .data = bytes.size() - data.size(),
        .size = data.size()});
}

std::uint64_t SegmentFile::header_size() { return header().size(); }

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(
    const std::filesystem::path& path, Durability durability) {
    TRY(Descriptor file, Descriptor::open(path, O_RDWR | O_CREAT | O_EXCL));
    const Bytes start = header();
    TRY_VOID(file.write_at(start, 0));
    return std::shared_ptr<SegmentFile>(
        new SegmentFile(path, std::move(file), start.size(), durability));
}

Result<std::shared_ptr<SegmentFile>> SegmentFile::open(
    const std::filesystem::path& path, Durability durability) {
    TRY(Descriptor file, Descriptor::open(path, O_RDWR));
    TRY(std::uint64_t size, file.size());
    const Bytes start = header();
    if (size < start.size()) {
        TRY_VOID(file.write_at(start, 0));
        size = start.size();
    }
    TRY(const Bytes found, file.read_at(0, start.size()));
    if (found != start) {
        return fail(StoreError::damaged, path.string() + ": not a segment of a block store");
    }
    return std::shared_ptr<SegmentFile>(new SegmentFile(path, std::move(file), size, durability));
}

std::optional<std::uint64_t> SegmentFile::generation() const {
    const std::lock_guard lock(stamp_mutex_);
    const auto changed = time_of_change(file_);
    if (writing_ || !changed || !is_settled(*changed)) {
        return std::nullopt;
    }
    if (*changed != stamp_) {
        stamp_ = *changed;
        ++generation_;
    }
    return generation_;
}

void SegmentFile::begin_write() {
    const std::lock_guard lock(stamp_mutex_);
    if (time_of_change(file_) != stamp_) {
        ++generation_;
    }
    writing_ = true;
}

void SegmentFile::end_write() {
    const std::lock_guard lock(stamp_mutex_);
    stamp_ = time_of_change(file_).value_or(0);
    writing_ = false;
}

Result<void> SegmentFile::append(BytesView sections) {
    begin_write();
    auto status = write_and_sync(sections);
    end_write();
    return status;
}

Result<void> SegmentFile::write_and_sync(BytesView sections) {
    auto status = file_.write_at(sections, size_);
    if (status && durability_ == Durability::synced) {
        status = file_.sync();
        // Linux drops the pages of a failed sync: what reached the disk cannot be known.
        poisoned_ = !status;
    }
    if (!status) {
        poisoned_ = !file_.truncate(size_) || poisoned_;
        return fail(status.error().within("append to " + path_.string()));
    }
    size_ += sections.size();
    return {};
}

Result<void> SegmentFile::truncate(std::uint64_t size) {
    TRY_VOID(file_.truncate(size));
    size_ = size;
    return {};
}

Result<Bytes> SegmentFile::read(std::uint64_t offset, std::uint64_t size) const {
    return file_.read_at(offset, size);
}

Result<void> SegmentFile::scan(
    std::uint64_t from, const std::function<Result<void>(const Frame&, BytesView)>& visit) const {
    TRY(const std::uint64_t file_size, file_.size());
    for (std::uint64_t at = from; at < file_size;) {
        TRY(const Bytes prefix, file_.read_at(at, kMaxPrefix));
        const auto length = multiformats::read_varint(prefix);
        if (!length || length->value > multiformats::kMaxBlock + kMaxPrefix ||
            length->value > file_size - at - length->size) {
            return {};
        }
        const BytesView start = BytesView(prefix).subspan(length->size);
        const auto decoded =
            Cid::read(start.first(std::min<std::size_t>(start.size(), length->value)));
        if (!decoded) {
            return {};
        }
        const std::uint64_t end = at + length->size + length->value;
        const std::uint64_t offset = at + length->size + decoded->size;
        TRY(const Bytes data, file_.read_at(offset, end - offset));
        const bool intact = data.size() == end - offset && decoded->cid.verify(data).has_value();
        TRY_VOID(visit({.cid = decoded->cid,
                           .offset = offset,
                           .size = end - offset,
                           .end = end,
                           .intact = intact},
            data));
        at = end;
    }
    return {};
}

}  // namespace decloud::content::internal
