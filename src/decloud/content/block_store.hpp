#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/cid.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace decloud::content {

/// Names of multiformats that this module's interfaces use.
using multiformats::Block;
using multiformats::Cid;
using multiformats::kMaxBlock;

/// Blocks that are being received and are not yet in the store. Dropped unless committed. Not
/// thread safe; must not outlive its store.
class StagedBlocks {
  public:
    virtual ~StagedBlocks() = default;
    /// Verifies the hash. Errors: corrupt naming the cid, limit_exceeded over 2 MiB, invalid_input
    /// for a hash function that is not known, disk_full.
    Result<void> put(const Cid& cid, BytesView data);
    /// The same of bytes that the caller knows to have that hash: it made the cid, or verified it.
    /// Errors: limit_exceeded, disk_full.
    virtual Result<void> put_verified(const Cid& cid, BytesView data) = 0;
    /// Nothing if `cid` was not staged here, whatever the store holds.
    [[nodiscard]] virtual Result<std::optional<Bytes>> get(const Cid& cid) const = 0;
    /// True if it was staged here, whatever the store holds.
    [[nodiscard]] virtual bool has(const Cid& cid) const = 0;
    /// Bytes of the blocks staged so far.
    [[nodiscard]] virtual std::uint64_t bytes() const = 0;
    /// Makes all of them visible and durable at once. Call once. Errors: disk_full, io; then none
    /// is visible.
    virtual Result<void> commit() = 0;
};

/// Blocks by content id; what is equal but for version or codec of the id is one block. Identity
/// cids are never stored: `get` answers them from the id. Thread safe; every call may block on the
/// disk.
class BlockStore {
  public:
    virtual ~BlockStore() = default;

    /// Verifies the hash; durable on return. Errors as `StagedBlocks::put`.
    virtual Result<void> put(const Cid& cid, BytesView data);
    /// The same for many with one sync of the disk. On error none was added.
    virtual Result<void> put_all(std::span<const Block> blocks) = 0;
    /// Nothing if it is not held. Every answer was verified when read. Error: corrupt naming the
    /// cid.
    [[nodiscard]] virtual Result<std::optional<Bytes>> get(const Cid& cid) const = 0;
    /// True if it is held (or is an identity cid); the bytes are not read or verified.
    [[nodiscard]] virtual Result<bool> has(const Cid& cid) const = 0;
    /// Removes it if it is held.
    virtual Result<void> remove(const Cid& cid) = 0;
    /// Counts them as added now, so that a collection of garbage spares them until they are pinned.
    /// Error: not_found naming the first that is not held.
    virtual Result<void> refresh(std::span<const Cid> cids) = 0;
    /// Bytes of all blocks held, without what the store adds.
    [[nodiscard]] virtual std::uint64_t bytes_used() const = 0;
    /// Error: io, disk_full.
    [[nodiscard]] virtual Result<std::unique_ptr<StagedBlocks>> stage() = 0;
};

/// `get` where absence is an error. Errors: not_found or corrupt, naming the cid.
[[nodiscard]] Result<Bytes> require_block(const BlockStore& store, const Cid& cid);

/// Keeps blocks in memory: for a client that packs a CAR without opening a home. Thread safe.
[[nodiscard]] std::unique_ptr<BlockStore> make_memory_block_store();

}  // namespace decloud::content
