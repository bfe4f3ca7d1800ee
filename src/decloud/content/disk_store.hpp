#pragma once

#include "managed_block_store.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
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
class DiskBlockStore : public ManagedBlockStore {
  public:
    /// What was found and mended when the store was opened; one sentence each, for the operator.
    [[nodiscard]] virtual const std::vector<std::string>& repairs() const = 0;
};

/// The file of a segment, within the store's folder.
[[nodiscard]] std::filesystem::path segment_file(std::uint64_t segment);

/// Opens or creates the store in `folder`. Errors: StoreError::in_use if another process has it
/// open; StoreError::damaged naming the file; StoreError::newer_format; io, disk_full.
[[nodiscard]] Result<std::unique_ptr<DiskBlockStore>> open_disk_store(
    const std::filesystem::path& folder, DiskStoreOptions options = {});

}  // namespace decloud::content
