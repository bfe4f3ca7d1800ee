#pragma once

#include "segment_file.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/store/sqlite.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace decloud::content::internal {

/// What the index knows of a segment.
struct SegmentRow {
    std::uint64_t id = 0;
    /// Bytes of the file that have been indexed.
    std::uint64_t indexed = 0;
    /// Bytes and number of the blocks that the index finds in it.
    std::uint64_t live = 0;
    std::uint64_t blocks = 0;
};

/// Changes that are made together.
struct IndexBatch {
    std::vector<std::pair<Multihash, Location>> put;
    /// Blocks that count as new again.
    std::vector<Multihash> refresh;
    std::vector<Multihash> erase;
    std::vector<SegmentRow> segments;
    std::vector<std::uint64_t> drop_segments;
};

/// From multihash to place, in SQLite. May lose its newest changes in a power cut: what it lacks is
/// found again in the segments. Not thread safe.
class BlockIndex {
  public:
    /// Errors: StoreError::damaged, newer_format, database; disk_full, io.
    [[nodiscard]] static Result<std::unique_ptr<BlockIndex>> open(
        const std::filesystem::path& path);

    struct Row {
        Multihash hash;
        Location location;
        UnixSeconds added;
    };
    [[nodiscard]] Result<std::optional<Row>> find_row(const Multihash& hash);
    [[nodiscard]] Result<std::optional<Location>> find(const Multihash& hash);
    [[nodiscard]] Result<std::vector<SegmentRow>> segments();
    /// All or nothing. `now` is kept for the blocks that are new or refreshed. Error: disk_full,
    /// io.
    [[nodiscard]] Result<void> apply(const IndexBatch& batch, UnixSeconds now);
    /// Up to `count` rows in the order of their keys, after the key `after` (at first empty).
    [[nodiscard]] Result<std::vector<Row>> page(BytesView after, std::size_t count);
    /// Makes all changes so far survive a power cut.
    [[nodiscard]] Result<void> sync();

  private:
    struct Statements {
        store::Statement find;
        store::Statement put;
        store::Statement refresh;
        store::Statement erase;
        store::Statement put_segment;
        store::Statement drop_segment;
    };

    BlockIndex(store::Database database, Statements statements)
        : database_(std::move(database)), statements_(std::move(statements)) {}
    [[nodiscard]] static Result<Statements> prepare(store::Database& database);
    [[nodiscard]] Result<void> apply_blocks(const IndexBatch& batch, UnixSeconds now);
    [[nodiscard]] Result<void> apply_segments(const IndexBatch& batch);

    store::Database database_;
    Statements statements_;
};

}  // namespace decloud::content::internal
