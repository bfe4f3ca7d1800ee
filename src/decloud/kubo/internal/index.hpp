#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/content/managed_block_store.hpp>
#include <decloud/store/sqlite.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace decloud::kubo::internal {

using content::Cid;
using multiformats::Multihash;

/// What this node has put into Kubo and pinned there. Durable in one file. Thread safe; calls may
/// block on the disk.
class Index {
  public:
    using Entry = content::ManagedBlockStore::Entry;

    /// Opens or creates the file. Errors: as `store::Database::open`.
    [[nodiscard]] static Result<std::unique_ptr<Index>> open(const std::filesystem::path& file);

    /// Blocks and how many bytes each has; those that are there already count as added now. All or
    /// none.
    [[nodiscard]] Result<void> add(
        std::span<const std::pair<Multihash, std::uint64_t>> blocks, UnixSeconds now);
    [[nodiscard]] Result<bool> has(const Multihash& hash);
    [[nodiscard]] Result<void> remove(const Multihash& hash);
    /// Counts those that are there as added now.
    [[nodiscard]] Result<void> refresh(std::span<const Multihash> hashes, UnixSeconds now);
    /// In the order of their bytes, as `ManagedBlockStore::list`.
    [[nodiscard]] Result<std::vector<Entry>> list(
        const std::optional<Multihash>& after, std::size_t count);
    /// As `ManagedBlockStore::remove_old`.
    [[nodiscard]] Result<content::ManagedBlockStore::Removed> remove_old(
        std::span<const Multihash> hashes, UnixSeconds added_by);
    /// Bytes of all blocks.
    [[nodiscard]] Result<std::uint64_t> bytes();

    /// Whose a pin in Kubo is: `ours` is ended with the last pin of ours, `theirs` was there
    /// before.
    enum class Holder : std::uint8_t { ours, theirs };
    [[nodiscard]] Result<void> add_pin(const Cid& root, Holder holder);
    [[nodiscard]] Result<std::optional<Holder>> pin_of(const Cid& root);
    [[nodiscard]] Result<void> remove_pin(const Cid& root);
    /// Up to `count` roots that are, or may be, pinned in Kubo, in an order that stays, after
    /// `after`; without it the first.
    [[nodiscard]] Result<std::vector<Cid>> pins(const std::optional<Cid>& after, std::size_t count);

  private:
    Index(store::Database database, store::Statement find)
        : database_(std::move(database)), find_(std::move(find)) {}

    std::mutex mutex_;
    store::Database database_;
    store::Statement find_;
};

}  // namespace decloud::kubo::internal
