#pragma once

#include "block_store.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace decloud::content {

/// What a write survives. `unsynced` is for a store that goes with its process.
enum class Durability : std::uint8_t { synced, unsynced };

/// Sizes in bytes, and the clock that `Entry::added` is read from.
struct DiskStoreOptions {
    /// A segment that has reached this size is followed by a new one.
    std::uint64_t segment_bytes = std::uint64_t{256} << 20U;
    /// Most bytes of blocks that are kept; what would go beyond is refused with limit_exceeded.
    std::uint64_t max_bytes = std::uint64_t{1} << 50U;
    /// Staged blocks beyond this go to a file.
    std::uint64_t staging_memory = std::uint64_t{8} << 20U;
    Durability durability = Durability::synced;
    /// Must outlive the store.
    const Clock* clock = &system_clock();
};

/// The store in a folder: append-only segments in CAR framing and an index that can be rebuilt from
/// them. A batch is appended, synced once, then indexed. One process at a time. Thread safe.
class DiskBlockStore : public BlockStore {
  public:
    /// What was found and mended when the store was opened; one sentence each, for the operator.
    [[nodiscard]] virtual const std::vector<std::string>& repairs() const = 0;

    /// A block that is held, without its bytes.
    struct Entry {
        multiformats::Multihash hash;
        std::uint64_t bytes = 0;
        /// When it was last put or refreshed.
        UnixSeconds added;
    };
    /// Up to `count` blocks in the order of their multihashes, after `after`; without it the first.
    [[nodiscard]] virtual Result<std::vector<Entry>> list(
        const std::optional<multiformats::Multihash>& after, std::size_t count) const = 0;
    /// What `remove_old` took away.
    struct Removed {
        std::uint64_t blocks = 0;
        std::uint64_t bytes = 0;
    };
    /// Removes those that were added at or before `added_by`, with one transaction of the index. A
    /// block that is put again or refreshed meanwhile stays.
    virtual Result<Removed> remove_old(
        std::span<const multiformats::Multihash> hashes, UnixSeconds added_by) = 0;
    /// Segments of which more than half is dead.
    [[nodiscard]] virtual std::vector<std::uint64_t> sparse_segments() const = 0;
    /// Rewrites one of them and gives its space back. Returns the bytes freed; 0 if it is gone, or
    /// stays because it holds damaged blocks.
    virtual Result<std::uint64_t> compact_segment(std::uint64_t id) = 0;

    /// A block that does not hash to its id, or whose segment is gone.
    struct Damaged {
        /// As it was put, if that can still be read; else of codec raw.
        Cid cid;
        std::uint64_t segment = 0;
        /// Of the block's bytes in the segment's file.
        std::uint64_t offset = 0;
    };
    /// What was read of the store.
    struct Verified {
        std::uint64_t blocks = 0;
        std::uint64_t bytes = 0;
        std::vector<Damaged> damaged{};
        /// The last one that was read; nothing if there was none left.
        std::optional<multiformats::Multihash> last{};
    };
    /// Reads and hashes up to `count` blocks in the order of their multihashes, after `after`;
    /// without it from the first.
    [[nodiscard]] virtual Result<Verified> verify_some(
        const std::optional<multiformats::Multihash>& after, std::size_t count) const = 0;
    /// All of them.
    [[nodiscard]] Result<Verified> verify() const;
};

/// The file of a segment, within the store's folder.
[[nodiscard]] std::filesystem::path segment_file(std::uint64_t segment);

/// Opens or creates the store in `folder`. Errors: StoreError::in_use if another process has it
/// open; StoreError::damaged naming the file; StoreError::newer_format; io, disk_full.
[[nodiscard]] Result<std::unique_ptr<DiskBlockStore>> open_disk_store(
    const std::filesystem::path& folder, DiskStoreOptions options = {});

}  // namespace decloud::content
