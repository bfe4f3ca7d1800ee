#pragma once

#include "block_store.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/car.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

namespace decloud::content {

/// How much of a stranger's CAR is taken, and what it must hold. Sizes in bytes.
struct CarLimits {
    std::uint64_t max_total_bytes = std::uint64_t{1} << 30U;
    std::size_t max_block = kMaxBlock;
    std::size_t max_depth = 64;
    std::uint64_t max_blocks = 1'000'000;
    std::size_t max_roots = 1024;
    /// Otherwise a block that no root leads to is refused.
    bool allow_unreachable = false;
    /// Otherwise every block under the roots must be in the file itself, so that nobody can learn
    /// from an import what the store holds.
    bool allow_held = false;
    /// Blocks are taken as they are, whatever is missing between them and the roots.
    bool allow_incomplete = false;
    /// Hashes on so many threads of the import's own besides the caller's.
    std::size_t hashing_threads = 0;
    /// Asked when all is checked and nothing is visible yet, with what the file held; an error ends
    /// the import.
    std::function<Result<void>(const std::vector<Cid>& roots,
        const std::unordered_set<Cid>& received,
        const StagedBlocks& blocks)>
        before_commit{};
};

/// What an import added.
struct CarImported {
    std::vector<Cid> roots;
    std::uint64_t blocks = 0;
    /// Bytes of the blocks, without framing.
    std::uint64_t bytes = 0;
};

/// Receives a CARv1 file as it arrives: every block hashed, complete from its roots, all or
/// nothing. Blocks are in the store when `finish` succeeds; otherwise none is. Not thread safe; the
/// store must outlive it.
class CarImport {
  public:
    /// Errors: the store's.
    [[nodiscard]] static Result<std::unique_ptr<CarImport>> begin(
        BlockStore& store, CarLimits limits = {});
    ~CarImport();
    CarImport(const CarImport&) = delete;
    CarImport& operator=(const CarImport&) = delete;

    /// The next bytes. Errors: invalid_input, limit_exceeded, corrupt naming the cid, disk_full.
    [[nodiscard]] Result<void> write(BytesView bytes);
    /// Ends the file, checks completeness and commits. Call once. Errors also: not_found naming the
    /// missing cid.
    [[nodiscard]] Result<CarImported> finish();

  private:
    struct State;
    explicit CarImport(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// A CAR that is already in memory.
[[nodiscard]] Result<CarImported> car_import(
    BlockStore& store, BytesView car, const CarLimits& limits = {});

/// Sends everything reachable from the roots as CARv1, depth first, each block once, a piece at a
/// time. Not thread safe; the store must outlive it.
class CarExport {
  public:
    /// Reads nothing yet. `store` outlives it.
    CarExport(const BlockStore& store, std::vector<Cid> roots);

    /// The header, then one section at a time; nothing at the end. Errors: not_found, corrupt
    /// naming the cid; the file is then incomplete and must not be used.
    [[nodiscard]] Result<std::optional<Bytes>> next();

  private:
    const BlockStore* store_;
    std::vector<Cid> roots_;
    bool header_sent_ = false;
    std::vector<Cid> pending_;
    std::unordered_set<Cid> sent_;
};

/// The whole file. Error: limit_exceeded above `max_bytes`; else as `CarExport::next`.
[[nodiscard]] Result<Bytes> car_export(
    const BlockStore& store, std::vector<Cid> roots, std::uint64_t max_bytes);

/// The cids a block links to, in order. Error: invalid_input if it is malformed or of a codec that
/// is not known.
[[nodiscard]] Result<std::vector<Cid>> block_links(const Cid& cid, BytesView data);

}  // namespace decloud::content
