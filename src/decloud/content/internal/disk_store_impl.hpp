#pragma once

#include "../disk_store.hpp"
#include "block_index.hpp"
#include "disk_staging.hpp"
#include "segment_file.hpp"
#include "verified_blocks.hpp"

#include <decloud/store/home_lock.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::content::internal {

/// `DiskBlockStore` as it is. Writers take turns by `write_mutex_`, which is held over the disk's
/// work; the index and the table of segments are guarded by `index_mutex_`, which is not. Taken in
/// that order.
class DiskStore final : public DiskBlockStore, public BatchTarget {
  public:
    [[nodiscard]] static Result<std::unique_ptr<DiskStore>> open(
        const std::filesystem::path& folder, DiskStoreOptions options);

    Result<void> put_all(std::span<const Block> blocks) override;
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override;
    [[nodiscard]] Result<bool> has(const Cid& cid) const override;
    Result<void> remove(const Cid& cid) override;
    Result<void> refresh(std::span<const Cid> cids) override;
    [[nodiscard]] std::uint64_t bytes_used() const override { return bytes_used_; }
    [[nodiscard]] Result<std::unique_ptr<StagedBlocks>> stage() override;

    [[nodiscard]] const std::vector<std::string>& repairs() const override { return repairs_; }
    [[nodiscard]] Result<std::vector<Entry>> list(
        const std::optional<Multihash>& after, std::size_t count) const override;
    Result<Removed> remove_old(std::span<const Multihash> hashes, UnixSeconds added_by) override;
    [[nodiscard]] std::vector<std::uint64_t> sparse_segments() const override;
    Result<std::uint64_t> compact_segment(std::uint64_t id) override;
    [[nodiscard]] Result<Verified> verify_some(
        const std::optional<Multihash>& after, std::size_t count) const override;

    Result<void> append_batch(const SectionBuffer& batch) override;
    Result<void> adopt_file(const std::filesystem::path& path,
        const std::vector<SectionBuffer::Entry>& entries) override;
    [[nodiscard]] Result<void> check_room(std::uint64_t bytes) const override;

  private:
    struct Segment {
        std::shared_ptr<SegmentFile> file;
        SegmentRow row;
        /// Nothing is appended to it any more.
        bool sealed = false;
    };
    /// Where a block is, with the file kept open for as long as it is read.
    struct Place {
        Location location;
        std::shared_ptr<const SegmentFile> file;
    };
    using Entries = std::vector<SectionBuffer::Entry>;

    DiskStore(std::filesystem::path folder, DiskStoreOptions options, store::HomeLock lock)
        : folder_(std::move(folder)), options_(options), lock_(std::move(lock)) {}

    // Opening.
    [[nodiscard]] Result<void> check_format() const;
    [[nodiscard]] Result<void> open_index();
    [[nodiscard]] Result<void> open_segments();
    [[nodiscard]] Result<void> recover_segment(SegmentRow row);
    struct TailBlock {
        Location location;
        bool intact = false;
    };
    using Tail = std::unordered_map<Multihash, TailBlock>;
    [[nodiscard]] Result<Tail> scan_tail(std::uint64_t id, SegmentFile& file, std::uint64_t from);

    /// Whether bytes that were hashed a short while ago are hashed again.
    enum class Hashing : std::uint8_t { as_needed, always };
    [[nodiscard]] Result<std::optional<Bytes>> get_block(const Cid& cid, Hashing hashing) const;
    [[nodiscard]] Result<Bytes> read_block(
        const Cid& cid, const Place& place, Hashing hashing) const;

    // Under index_mutex_, or while opening.
    [[nodiscard]] Result<std::optional<Place>> find(const Multihash& hash) const;
    [[nodiscard]] Result<void> record(IndexBatch batch);
    void count(std::map<std::uint64_t, SegmentRow>& rows, const Location& place, bool added) const;

    // Under write_mutex_.
    [[nodiscard]] Cid cid_in_file(const Multihash& hash, const Location& location) const;
    [[nodiscard]] Result<std::optional<Bytes>> read_intact(const Multihash& hash) const;
    [[nodiscard]] static std::vector<Multihash> hashes_of(const Entries& entries);
    [[nodiscard]] Result<Entries> not_held(const Entries& entries) const;
    [[nodiscard]] Result<std::uint64_t> active_segment();
    [[nodiscard]] Result<void> append_sections(
        BytesView sections, const Entries& entries, std::vector<Multihash> refresh = {});
    [[nodiscard]] Result<void> refresh_all(std::vector<Multihash> hashes);
    struct Copied {
        std::uint64_t bytes = 0;
        bool damaged = false;
    };
    [[nodiscard]] Result<Copied> copy_live_blocks(const SegmentFile& file, std::uint64_t id);
    [[nodiscard]] static bool mostly_dead(const Segment& segment);

    [[nodiscard]] std::filesystem::path segment_path(std::uint64_t id) const;

    std::filesystem::path folder_;
    DiskStoreOptions options_;
    store::HomeLock lock_;
    std::vector<std::string> repairs_;

    std::mutex write_mutex_;
    std::uint64_t active_ = 0;
    std::uint64_t next_segment_ = 1;
    std::uint64_t next_staging_ = 1;

    mutable std::mutex index_mutex_;
    std::unique_ptr<BlockIndex> index_;
    std::map<std::uint64_t, Segment> segments_;
    std::atomic<std::uint64_t> bytes_used_ = 0;
    mutable VerifiedBlocks verified_;
};

}  // namespace decloud::content::internal
