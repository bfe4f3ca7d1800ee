#pragma once

#include "block_store.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace decloud::content {

/// A store that somebody looks after: what it holds can be listed, collected and verified. Thread
/// safe; every call may block.
class ManagedBlockStore : public BlockStore {
  public:
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

    /// A block that does not hash to its id, or is not where it was put.
    struct Damaged {
        /// As it was put, if that can still be read; else of codec raw.
        Cid cid;
        /// 0: it is in no segment of this machine's disk.
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

}  // namespace decloud::content
