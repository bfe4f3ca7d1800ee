#pragma once

#include "managed_block_store.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <unordered_set>

namespace decloud::content {

/// Which blocks are nobody's business: programs of private deployments and their specs. Durable in
/// one file, known by multihash, so that a block is as private under every spelling of its id.
/// Thread safe; calls may block on the disk.
class PrivateBlocks {
  public:
    virtual ~PrivateBlocks() = default;
    /// Durable on return. What `store` holds already and is public stays so: nobody can hide the
    /// content of others by bringing it as their own.
    virtual Result<void> add(
        const std::unordered_set<Cid>& cids, const BlockStore& store, UnixSeconds now) = 0;
    /// Once in the life of the file: everything that `store` holds already came when nobody said
    /// whether it was private, and is taken to be.
    virtual Result<void> hide_older(const ManagedBlockStore& store, UnixSeconds now) = 0;
    /// From now on these are public: somebody who may has brought them as such.
    virtual Result<void> publish(const std::unordered_set<Cid>& cids) = 0;
    [[nodiscard]] virtual Result<bool> contains(const Cid& cid) const = 0;
    /// Forgets what was added before `before` and `store` no longer holds, looking at `most`
    /// entries from where the last call ended. Blocks that are still arriving must be younger.
    /// Returns how many it forgot.
    virtual Result<std::uint64_t> sweep(
        const BlockStore& store, UnixSeconds before, std::size_t most) = 0;
};

/// Opens or creates the file. Errors: as `store::Database::open`.
[[nodiscard]] Result<std::unique_ptr<PrivateBlocks>> open_private_blocks(
    const std::filesystem::path& file);

}  // namespace decloud::content
