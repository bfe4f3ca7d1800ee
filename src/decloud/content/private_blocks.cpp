#include "private_blocks.hpp"

#include <decloud/store/sqlite.hpp>

#include <array>
#include <mutex>
#include <optional>
#include <vector>

namespace decloud::content {

namespace {

using multiformats::Codec;
using multiformats::Multihash;

constexpr std::array kMigrations = {
    store::Migration{.version = 1,
        .statements = "CREATE TABLE private (hash BLOB PRIMARY KEY, added INTEGER NOT NULL) "
                      "WITHOUT ROWID"},
    store::Migration{
        .version = 2, .statements = "CREATE TABLE older_blocks (hidden INTEGER NOT NULL)"}};
constexpr std::size_t kHiddenAtOnce = 10'000;

class Private final : public PrivateBlocks {
  public:
    Private(store::Database database, store::Statement find)
        : database_(std::move(database)), find_(std::move(find)) {}

    Result<void> add(
        const std::unordered_set<Cid>& cids, const BlockStore& store, UnixSeconds now) override {
        std::vector<Bytes> added;
        for (const Cid& cid : cids) {
            TRY(const bool held, store.has(cid));
            TRY(const bool known, contains(cid));
            if (!held || known) {
                added.push_back(cid.hash().to_bytes());
            }
        }
        return change(
            "INSERT INTO private VALUES (?1, ?2) "
            "ON CONFLICT DO UPDATE SET added = excluded.added",
            added, now);
    }

    Result<void> hide_older(const ManagedBlockStore& store, UnixSeconds now) override {
        {
            const std::scoped_lock lock(mutex_);
            TRY(store::Statement done, database_.prepare("SELECT 1 FROM older_blocks"));
            TRY(const bool hidden, done.step());
            if (hidden) {
                return {};
            }
        }
        std::optional<Multihash> after;
        for (;;) {
            TRY(const auto entries, store.list(after, kHiddenAtOnce));
            if (entries.empty()) {
                break;
            }
            std::vector<Bytes> hashes;
            hashes.reserve(entries.size());
            for (const ManagedBlockStore::Entry& entry : entries) {
                hashes.push_back(entry.hash.to_bytes());
            }
            TRY_VOID(
                change("INSERT INTO private VALUES (?1, ?2) ON CONFLICT DO NOTHING", hashes, now));
            after = entries.back().hash;
        }
        const std::scoped_lock lock(mutex_);
        return database_.execute("INSERT INTO older_blocks VALUES (1)");
    }

    Result<void> publish(const std::unordered_set<Cid>& cids) override {
        std::vector<Bytes> removed;
        removed.reserve(cids.size());
        for (const Cid& cid : cids) {
            removed.push_back(cid.hash().to_bytes());
        }
        return change("DELETE FROM private WHERE hash = ?", removed);
    }

    Result<bool> contains(const Cid& cid) const override {
        const Bytes hash = cid.hash().to_bytes();
        const std::scoped_lock lock(mutex_);
        find_.bind(1, BytesView(hash));
        const auto found = find_.step();
        find_.reset();
        return found;
    }

    Result<std::uint64_t> sweep(
        const BlockStore& store, UnixSeconds before, std::size_t most) override {
        TRY(const std::vector<Bytes> batch, next_batch(before, most));
        std::vector<Bytes> gone;
        for (const Bytes& hash : batch) {
            TRY(auto read, Multihash::read(hash));
            TRY(const bool held, store.has(Cid::v1(Codec::raw, std::move(read.hash))));
            if (!held) {
                gone.push_back(hash);
            }
        }
        // What has come again meanwhile stays private.
        TRY_VOID(change("DELETE FROM private WHERE hash = ?1 AND added < ?2", gone, before));
        return gone.size();
    }

  private:
    Result<std::vector<Bytes>> next_batch(UnixSeconds before, std::size_t most) {
        const std::scoped_lock lock(mutex_);
        TRY(store::Statement select,
            database_.prepare("SELECT hash FROM private WHERE hash > ?1 AND added < ?3 "
                              "ORDER BY hash LIMIT ?2"));
        select.bind(1, BytesView(swept_)).bind(2, static_cast<std::int64_t>(most));
        select.bind(3, static_cast<std::int64_t>(before.value));
        std::vector<Bytes> batch;
        for (;;) {
            TRY(const bool row, select.step());
            if (!row) {
                break;
            }
            batch.push_back(to_bytes(select.blob(0)));
        }
        swept_ = batch.size() < most ? Bytes{0} : batch.back();
        return batch;
    }

    Result<void> change(
        std::string_view sql, const std::vector<Bytes>& hashes, UnixSeconds now = {}) {
        if (hashes.empty()) {
            return {};
        }
        const std::scoped_lock lock(mutex_);
        TRY(auto transaction, store::Transaction::begin(database_));
        TRY(store::Statement statement, database_.prepare(sql));
        for (const Bytes& hash : hashes) {
            statement.bind(1, BytesView(hash));
            if (now.value > 0) {
                statement.bind(2, static_cast<std::int64_t>(now.value));
            }
            TRY_VOID(statement.run());
        }
        return transaction.commit();
    }

    mutable std::mutex mutex_;
    store::Database database_;
    mutable store::Statement find_;
    /// The last entry that a sweep has seen; a byte, as nothing would be NULL to SQLite.
    Bytes swept_{0};
};

}  // namespace

Result<std::unique_ptr<PrivateBlocks>> open_private_blocks(const std::filesystem::path& file) {
    TRY(auto database, store::Database::open(file, kMigrations));
    TRY(auto find, database.prepare("SELECT 1 FROM private WHERE hash = ?"));
    return std::make_unique<Private>(std::move(database), std::move(find));
}

}  // namespace decloud::content
