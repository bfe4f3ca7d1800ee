#pragma once

#include "managed_block_store.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace decloud::content {

/// Why blocks are kept: everything reachable from `root`, on account of `owner`.
struct Pin {
    Cid root;
    /// Who is charged for the space: an account's address or "operator".
    std::string owner;
    /// "deployment", "user" or another word of the caller's.
    std::string reason;
    /// What it counts against the owner's quota.
    std::uint64_t bytes = 0;
    UnixSeconds created = {};
    /// After this moment the pin no longer holds.
    std::optional<UnixSeconds> expires = {};
};

/// Pins, durable in one file. A pin is known by root, owner and reason. Thread safe; calls may
/// block on the disk.
class Pins {
  public:
    virtual ~Pins() = default;
    /// Adds it, or replaces the one with the same root, owner and reason.
    virtual Result<void> pin(const Pin& pin) = 0;
    /// Adds it unless the owner's pins would then count more than `max_owner_bytes`, in one step.
    /// Error: limit_exceeded.
    virtual Result<void> pin_within(const Pin& pin, std::uint64_t max_owner_bytes) = 0;
    /// Removes what matches; an empty reason matches all. Returns how many.
    virtual Result<std::uint64_t> unpin(
        const Cid& root, std::string_view owner, std::string_view reason) = 0;
    /// Removes all pins of one owner for one reason. Returns how many.
    virtual Result<std::uint64_t> unpin_reason(std::string_view owner, std::string_view reason) = 0;
    /// Every pin, expired ones that were not removed included; then those of one owner.
    [[nodiscard]] virtual Result<std::vector<Pin>> list() const = 0;
    [[nodiscard]] virtual Result<std::vector<Pin>> list_owner(std::string_view owner) const = 0;
    /// True if there is any pin with this root.
    [[nodiscard]] virtual Result<bool> is_pinned(const Cid& root) const = 0;
    /// Sum of `bytes` over the owner's pins.
    [[nodiscard]] virtual Result<std::uint64_t> owner_bytes(std::string_view owner) const = 0;
    /// Sets or clears when all pins of an owner end.
    virtual Result<void> expire_owner(
        std::string_view owner, std::optional<UnixSeconds> expires) = 0;
    /// Removes pins that ended at or before `now`. Returns them.
    virtual Result<std::vector<Pin>> remove_expired(UnixSeconds now) = 0;
};

/// Opens or creates the file. Errors: corrupt naming it, invalid_input if a newer decloud wrote it,
/// io.
[[nodiscard]] Result<std::unique_ptr<Pins>> open_pins(const std::filesystem::path& file);

/// What a collection spares. `now` is the time to compare ages with.
struct GarbageOptions {
    /// Younger blocks stay, so that what is being imported is not taken before it is pinned: who
    /// pins what the store already holds calls `BlockStore::refresh` (or imports it) first.
    std::chrono::seconds min_age = std::chrono::hours(1);
    UnixSeconds now;
};

/// What a collection has done so far.
struct GarbageResult {
    std::uint64_t blocks_removed = 0;
    std::uint64_t bytes_removed = 0;
    std::uint64_t bytes_freed_on_disk = 0;
    /// Blocks that a pin needs and that are not held or are damaged. If one of them could have
    /// links, nothing is removed, as what it led to is not known: fetch it again or unpin.
    std::vector<Cid> missing;
};

/// Removes what no pin reaches and compacts, a bounded step at a time, while the store and the pins
/// are in use: what is put, refreshed or pinned meanwhile stays. Not thread safe; store and pins
/// outlive it.
class GarbageCollection {
  public:
    /// Reads the pins.
    [[nodiscard]] static Result<GarbageCollection> begin(
        ManagedBlockStore& store, const Pins& pins, const GarbageOptions& options);

    /// Looks at some hundred blocks, or rewrites one segment. False when all is done. Blocks; call
    /// it from a thread pool. After an error it is over.
    [[nodiscard]] Result<bool> step();
    /// So far, or in all once `step` has returned false. Lives as long as this object.
    [[nodiscard]] const GarbageResult& result() const { return result_; }

  private:
    GarbageCollection(ManagedBlockStore& store, std::vector<Cid> roots, UnixSeconds added_by)
        : store_(&store), pending_(std::move(roots)), added_by_(added_by) {}
    [[nodiscard]] Result<void> mark();
    [[nodiscard]] Result<void> mark_block(const Cid& cid);
    [[nodiscard]] Result<void> sweep();
    [[nodiscard]] Result<void> compact();

    enum class Stage { marking, sweeping, compacting, done };

    ManagedBlockStore* store_;
    std::vector<Cid> pending_;
    UnixSeconds added_by_;
    Stage stage_ = Stage::marking;
    std::unordered_set<Cid> visited_;
    std::unordered_set<multiformats::Multihash> marked_;
    /// A block that could have links was missing, so what it led to is not known.
    bool incomplete_ = false;
    std::optional<multiformats::Multihash> swept_;
    std::vector<std::uint64_t> segments_;
    GarbageResult result_;
};

/// All steps at once.
[[nodiscard]] Result<GarbageResult> collect_garbage(
    ManagedBlockStore& store, const Pins& pins, const GarbageOptions& options);

}  // namespace decloud::content
