#include "disk_staging.hpp"

#include "checked_block.hpp"

#include <decloud/multiformats/car.hpp>

#include <fcntl.h>
#include <unistd.h>

namespace decloud::content::internal {

namespace {

/// A block of so many bytes is not copied together with others before it is written.
constexpr std::size_t kWrittenThrough = std::size_t{64} << 10U;
constexpr std::uint64_t kHintBytes = std::uint64_t{4} << 20U;

}  // namespace

DiskStagedBlocks::DiskStagedBlocks(BatchTarget& target,
    std::filesystem::path file,
    std::uint64_t memory_limit,
    Durability durability)
    : target_(target),
      path_(std::move(file)),
      memory_limit_(memory_limit),
      durability_(durability) {}

DiskStagedBlocks::~DiskStagedBlocks() {
    if (file_.number() >= 0) {
        // Fails if it was adopted.
        ::unlink(path_.c_str());
    }
}

Result<void> DiskStagedBlocks::put_verified(const Cid& cid, BytesView data) {
    TRY_VOID(check_block_size(cid, data));
    if (is_inline(cid) || has(cid)) {
        return {};
    }
    TRY_VOID(target_.check_room(bytes_ + data.size()));
    if (file_.number() >= 0 && data.size() >= kWrittenThrough) {
        return write_through(cid, data);
    }
    // Entries count from the start of the whole; the buffer holds what is not in the file yet.
    buffer_.add(cid, data);
    buffer_.entries.back().section += written_;
    buffer_.entries.back().data += written_;
    places_.emplace(cid.hash(), buffer_.entries.size() - 1);
    bytes_ += data.size();
    return buffer_.bytes.size() > memory_limit_ ? spill() : Result<void>{};
}

Result<void> DiskStagedBlocks::spill() {
    if (file_.number() < 0) {
        TRY(file_, Descriptor::open(path_, O_RDWR | O_CREAT | O_EXCL));
        const Bytes header = multiformats::encode_car_header({});
        TRY_VOID(file_.write_at(header, 0));
        written_ = header.size();
        for (SectionBuffer::Entry& entry : buffer_.entries) {
            entry.section += written_;
            entry.data += written_;
        }
    }
    TRY_VOID(file_.write_at(buffer_.bytes, written_));
    written_ += buffer_.bytes.size();
    buffer_.bytes.clear();
    hint();
    return {};
}

Result<void> DiskStagedBlocks::write_through(const Cid& cid, BytesView data) {
    if (!buffer_.bytes.empty()) {
        TRY_VOID(spill());
    }
    const Bytes prefix = multiformats::car_section_prefix(cid, data.size());
    TRY_VOID(file_.write_at(prefix, written_));
    TRY_VOID(file_.write_at(data, written_ + prefix.size()));
    buffer_.entries.push_back({.hash = cid.hash(),
        .section = written_,
        .data = written_ + prefix.size(),
        .size = data.size()});
    places_.emplace(cid.hash(), buffer_.entries.size() - 1);
    bytes_ += data.size();
    written_ += prefix.size() + data.size();
    hint();
    return {};
}

void DiskStagedBlocks::hint() {
    if (durability_ == Durability::synced && written_ - begun_ >= kHintBytes) {
        file_.begin_writing(begun_, written_ - begun_);
        begun_ = written_;
    }
}

Result<std::optional<Bytes>> DiskStagedBlocks::get(const Cid& cid) const {
    const auto found = places_.find(cid.hash());
    if (found == places_.end()) {
        return std::nullopt;
    }
    const SectionBuffer::Entry& entry = buffer_.entries[found->second];
    if (entry.data >= written_) {
        const BytesView data = BytesView(buffer_.bytes).subspan(entry.data - written_, entry.size);
        return to_bytes(data);
    }
    TRY(Bytes data, file_.read_at(entry.data, entry.size));
    TRY_VOID(cid.verify(data));
    return data;
}

Result<void> DiskStagedBlocks::commit() {
    if (file_.number() < 0) {
        return buffer_.entries.empty() ? Result<void>{} : target_.append_batch(buffer_);
    }
    TRY_VOID(spill());
    if (durability_ == Durability::synced) {
        TRY_VOID(file_.sync());
    }
    return target_.adopt_file(path_, buffer_.entries);
}

}  // namespace decloud::content::internal
