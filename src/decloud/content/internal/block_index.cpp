#include "block_index.hpp"

#include <array>

namespace decloud::content::internal {

namespace {

constexpr std::array kMigrations = {store::Migration{.version = 1,
    .statements = "CREATE TABLE blocks (hash BLOB PRIMARY KEY, segment INTEGER NOT NULL,"
                  " offset INTEGER NOT NULL, size INTEGER NOT NULL, added INTEGER NOT NULL)"
                  " WITHOUT ROWID;"
                  "CREATE TABLE segments (id INTEGER PRIMARY KEY, indexed INTEGER NOT NULL,"
                  " live INTEGER NOT NULL, blocks INTEGER NOT NULL);"}};

std::int64_t to_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t to_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

Result<std::unique_ptr<BlockIndex>> BlockIndex::open(const std::filesystem::path& path) {
    TRY(store::Database database, store::Database::open(path, kMigrations));
    // The segments are synced before they are indexed, and indexed again if the index is behind.
    TRY_VOID(database.execute("PRAGMA synchronous=NORMAL"));
    TRY(Statements statements, prepare(database));
    return std::unique_ptr<BlockIndex>(new BlockIndex(std::move(database), std::move(statements)));
}

Result<BlockIndex::Statements> BlockIndex::prepare(store::Database& database) {
    TRY(store::Statement find,
        database.prepare("SELECT segment, offset, size, added FROM blocks WHERE hash = ?1"));
    TRY(store::Statement put,
        database.prepare("INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (hash)"
                         " DO UPDATE SET segment = ?2, offset = ?3, size = ?4"));
    TRY(store::Statement refresh, database.prepare("UPDATE blocks SET added = ?2 WHERE hash = ?1"));
    TRY(store::Statement erase, database.prepare("DELETE FROM blocks WHERE hash = ?1"));
    TRY(store::Statement put_segment,
        database.prepare("INSERT OR REPLACE INTO segments VALUES (?1, ?2, ?3, ?4)"));
    TRY(store::Statement drop_segment, database.prepare("DELETE FROM segments WHERE id = ?1"));
    return Statements{.find = std::move(find),
        .put = std::move(put),
        .refresh = std::move(refresh),
        .erase = std::move(erase),
        .put_segment = std::move(put_segment),
        .drop_segment = std::move(drop_segment)};
}

Result<std::optional<Location>> BlockIndex::find(const Multihash& hash) {
    TRY(const std::optional<Row> row, find_row(hash));
    if (!row) {
        return std::nullopt;
    }
    return row->location;
}

Result<std::optional<BlockIndex::Row>> BlockIndex::find_row(const Multihash& hash) {
    const Bytes key = hash.to_bytes();
    statements_.find.bind(1, BytesView(key));
    auto row = statements_.find.step();
    std::optional<Row> out;
    if (row && *row) {
        out = Row{.hash = hash,
            .location = {.segment = to_unsigned(statements_.find.integer(0)),
                .offset = to_unsigned(statements_.find.integer(1)),
                .size = to_unsigned(statements_.find.integer(2))},
            .added = UnixSeconds{to_unsigned(statements_.find.integer(3))}};
    }
    statements_.find.reset();
    if (!row) {
        return fail(std::move(row.error()));
    }
    return out;
}

Result<std::vector<SegmentRow>> BlockIndex::segments() {
    TRY(store::Statement rows, database_.prepare("SELECT id, indexed, live, blocks FROM segments"));
    std::vector<SegmentRow> out;
    for (;;) {
        TRY(const bool row, rows.step());
        if (!row) {
            return out;
        }
        out.push_back({.id = to_unsigned(rows.integer(0)),
            .indexed = to_unsigned(rows.integer(1)),
            .live = to_unsigned(rows.integer(2)),
            .blocks = to_unsigned(rows.integer(3))});
    }
}

Result<void> BlockIndex::apply(const IndexBatch& batch, UnixSeconds now) {
    TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TRY_VOID(apply_blocks(batch, now));
    TRY_VOID(apply_segments(batch));
    return transaction.commit();
}

Result<void> BlockIndex::apply_blocks(const IndexBatch& batch, UnixSeconds now) {
    for (const auto& [hash, location] : batch.put) {
        const Bytes key = hash.to_bytes();
        statements_.put.bind(1, BytesView(key))
            .bind(2, to_signed(location.segment))
            .bind(3, to_signed(location.offset))
            .bind(4, to_signed(location.size))
            .bind(5, to_signed(now.value));
        TRY_VOID(statements_.put.run());
    }
    for (const Multihash& hash : batch.refresh) {
        const Bytes key = hash.to_bytes();
        statements_.refresh.bind(1, BytesView(key)).bind(2, to_signed(now.value));
        TRY_VOID(statements_.refresh.run());
    }
    for (const Multihash& hash : batch.erase) {
        const Bytes key = hash.to_bytes();
        statements_.erase.bind(1, BytesView(key));
        TRY_VOID(statements_.erase.run());
    }
    return {};
}

Result<void> BlockIndex::apply_segments(const IndexBatch& batch) {
    for (const SegmentRow& segment : batch.segments) {
        statements_.put_segment.bind(1, to_signed(segment.id))
            .bind(2, to_signed(segment.indexed))
            .bind(3, to_signed(segment.live))
            .bind(4, to_signed(segment.blocks));
        TRY_VOID(statements_.put_segment.run());
    }
    for (const std::uint64_t id : batch.drop_segments) {
        statements_.drop_segment.bind(1, to_signed(id));
        TRY_VOID(statements_.drop_segment.run());
    }
    return {};
}

Result<std::vector<BlockIndex::Row>> BlockIndex::page(BytesView after, std::size_t count) {
    TRY(store::Statement rows,
        database_.prepare("SELECT hash, segment, offset, size, added FROM blocks"
                          " WHERE hash > ?1 ORDER BY hash LIMIT ?2"));
    rows.bind(1, after).bind(2, static_cast<std::int64_t>(count));
    std::vector<Row> out;
    for (;;) {
        TRY(const bool row, rows.step());
        if (!row) {
            return out;
        }
        TRY(Multihash::Decoded decoded, Multihash::read(rows.blob(0)));
        out.push_back({.hash = std::move(decoded.hash),
            .location = {.segment = to_unsigned(rows.integer(1)),
                .offset = to_unsigned(rows.integer(2)),
                .size = to_unsigned(rows.integer(3))},
            .added = UnixSeconds{to_unsigned(rows.integer(4))}});
    }
}

Result<void> BlockIndex::sync() { return database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

}  // namespace decloud::content::internal
