#include "index.hpp"

#include <array>

namespace decloud::kubo::internal {

namespace {

constexpr std::array kMigrations = {store::Migration{.version = 1,
    .statements = "CREATE TABLE blocks (hash BLOB PRIMARY KEY, bytes INTEGER NOT NULL,"
                  " added INTEGER NOT NULL) WITHOUT ROWID;"
                  "CREATE TABLE pins (root BLOB PRIMARY KEY, ours INTEGER NOT NULL)"
                  " WITHOUT ROWID;"}};

std::int64_t to_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t to_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

Result<std::unique_ptr<Index>> Index::open(const std::filesystem::path& file) {
    TRY(auto database, store::Database::open(file, kMigrations));
    TRY(auto find, database.prepare("SELECT 1 FROM blocks WHERE hash = ?1"));
    return std::unique_ptr<Index>(new Index(std::move(database), std::move(find)));
}

Result<void> Index::add(
    std::span<const std::pair<Multihash, std::uint64_t>> blocks, UnixSeconds now) {
    const std::lock_guard lock(mutex_);
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY(store::Statement put,
        database_.prepare("INSERT OR REPLACE INTO blocks VALUES (?1, ?2, ?3)"));
    for (const auto& [hash, bytes] : blocks) {
        const Bytes key = hash.to_bytes();
        put.bind(1, BytesView(key)).bind(2, to_signed(bytes)).bind(3, to_signed(now.value));
        TRY_VOID(put.run());
    }
    return transaction.commit();
}

Result<bool> Index::has(const Multihash& hash) {
    const Bytes key = hash.to_bytes();
    const std::lock_guard lock(mutex_);
    find_.bind(1, BytesView(key));
    const auto found = find_.step();
    find_.reset();
    return found;
}

Result<void> Index::remove(const Multihash& hash) {
    const Bytes key = hash.to_bytes();
    const std::lock_guard lock(mutex_);
    TRY(store::Statement erase, database_.prepare("DELETE FROM blocks WHERE hash = ?1"));
    return erase.bind(1, BytesView(key)).run();
}

Result<void> Index::refresh(std::span<const Multihash> hashes, UnixSeconds now) {
    const std::lock_guard lock(mutex_);
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY(store::Statement update, database_.prepare("UPDATE blocks SET added = ?2 WHERE hash = ?1"));
    for (const Multihash& hash : hashes) {
        const Bytes key = hash.to_bytes();
        TRY_VOID(update.bind(1, BytesView(key)).bind(2, to_signed(now.value)).run());
    }
    return transaction.commit();
}

Result<std::vector<Index::Entry>> Index::list(
    const std::optional<Multihash>& after, std::size_t count) {
    const Bytes from = after ? after->to_bytes() : Bytes{0};
    const std::lock_guard lock(mutex_);
    TRY(store::Statement rows,
        database_.prepare("SELECT hash, bytes, added FROM blocks WHERE hash > ?1"
                          " ORDER BY hash LIMIT ?2"));
    rows.bind(1, BytesView(from)).bind(2, to_signed(count));
    std::vector<Entry> out;
    for (;;) {
        TRY(const bool row, rows.step());
        if (!row) {
            return out;
        }
        TRY(auto decoded, Multihash::read(rows.blob(0)));
        out.push_back({.hash = std::move(decoded.hash),
            .bytes = to_unsigned(rows.integer(1)),
            .added = UnixSeconds{to_unsigned(rows.integer(2))}});
    }
}

Result<content::ManagedBlockStore::Removed> Index::remove_old(
    std::span<const Multihash> hashes, UnixSeconds added_by) {
    const std::lock_guard lock(mutex_);
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY(store::Statement erase,
        database_.prepare("DELETE FROM blocks WHERE hash = ?1 AND added <= ?2 RETURNING bytes"));
    content::ManagedBlockStore::Removed removed;
    for (const Multihash& hash : hashes) {
        const Bytes key = hash.to_bytes();
        erase.bind(1, BytesView(key)).bind(2, to_signed(added_by.value));
        TRY(const bool row, erase.step());
        if (row) {
            ++removed.blocks;
            removed.bytes += to_unsigned(erase.integer(0));
        }
        erase.reset();
    }
    TRY_VOID(transaction.commit());
    return removed;
}

Result<std::uint64_t> Index::bytes() {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement sum, database_.prepare("SELECT coalesce(sum(bytes), 0) FROM blocks"));
    TRY_VOID(sum.step());
    return to_unsigned(sum.integer(0));
}

Result<void> Index::add_pin(const Cid& root, Holder holder) {
    const Bytes key = root.to_bytes();
    const std::lock_guard lock(mutex_);
    TRY(store::Statement put, database_.prepare("INSERT OR REPLACE INTO pins VALUES (?1, ?2)"));
    return put.bind(1, BytesView(key)).bind(2, holder == Holder::ours ? 1 : 0).run();
}

Result<std::optional<Index::Holder>> Index::pin_of(const Cid& root) {
    const Bytes key = root.to_bytes();
    const std::lock_guard lock(mutex_);
    TRY(store::Statement find, database_.prepare("SELECT ours FROM pins WHERE root = ?1"));
    TRY(const bool row, find.bind(1, BytesView(key)).step());
    if (!row) {
        return std::nullopt;
    }
    return find.integer(0) != 0 ? Holder::ours : Holder::theirs;
}

Result<void> Index::remove_pin(const Cid& root) {
    const Bytes key = root.to_bytes();
    const std::lock_guard lock(mutex_);
    TRY(store::Statement erase, database_.prepare("DELETE FROM pins WHERE root = ?1"));
    return erase.bind(1, BytesView(key)).run();
}

Result<std::vector<Cid>> Index::pins(const std::optional<Cid>& after, std::size_t count) {
    const Bytes from = after ? after->to_bytes() : Bytes{0};
    const std::lock_guard lock(mutex_);
    TRY(store::Statement rows,
        database_.prepare("SELECT root FROM pins WHERE root > ?1 ORDER BY root LIMIT ?2"));
    rows.bind(1, BytesView(from)).bind(2, to_signed(count));
    std::vector<Cid> out;
    for (;;) {
        TRY(const bool row, rows.step());
        if (!row) {
            return out;
        }
        TRY(Cid root, Cid::from_bytes(rows.blob(0)));
        out.push_back(std::move(root));
    }
}

}  // namespace decloud::kubo::internal
