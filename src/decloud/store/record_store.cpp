#include "record_store.hpp"

#include "sqlite.hpp"

#include <decloud/base/units.hpp>

#include <array>
#include <mutex>

namespace decloud::store {

namespace {

constexpr std::array<Migration, 1> kMigrations = {
    Migration{1, "CREATE TABLE records (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"}};
constexpr std::size_t kMaxKey = 512;

}  // namespace

struct RecordStore::State {
    Database database;
    Statement put;
    Statement get;
    Statement remove;
    Statement list;
    std::mutex mutex{};
};

RecordStore::RecordStore(std::unique_ptr<State> state) : state_(std::move(state)) {}

RecordStore::~RecordStore() = default;

Result<std::unique_ptr<RecordStore>> RecordStore::open(const std::filesystem::path& path) {
    TRY(Database database, Database::open(path, kMigrations));
    TRY(Statement put, database.prepare("INSERT INTO records VALUES (?1, ?2) "
                                        "ON CONFLICT (key) DO UPDATE SET value = excluded.value"));
    TRY(Statement get, database.prepare("SELECT value FROM records WHERE key = ?1"));
    TRY(Statement remove, database.prepare("DELETE FROM records WHERE key = ?1"));
    TRY(Statement list,
        database.prepare("SELECT key, value FROM records WHERE key >= ?1 ORDER BY key"));
    // The statements point to the connection, which moves along.
    auto state = std::make_unique<State>(
        std::move(database), std::move(put), std::move(get), std::move(remove), std::move(list));
    return std::unique_ptr<RecordStore>(new RecordStore(std::move(state)));
}

Result<void> RecordStore::put(std::string_view key, BytesView value) {
    if (key.empty() || key.size() > kMaxKey || value.size() > kMiB) {
        return fail(CommonError::limit_exceeded, "record key or value too long");
    }
    const std::lock_guard lock(state_->mutex);
    return state_->put.bind(1, as_bytes(key)).bind(2, value).run();
}

Result<std::optional<Bytes>> RecordStore::get(std::string_view key) const {
    const std::lock_guard lock(state_->mutex);
    auto row = state_->get.bind(1, as_bytes(key)).step();
    std::optional<Bytes> value;
    if (row && *row) {
        value = to_bytes(state_->get.blob(0));
    }
    state_->get.reset();
    if (!row) {
        return fail(row.error());
    }
    return value;
}

Result<void> RecordStore::remove(std::string_view key) {
    const std::lock_guard lock(state_->mutex);
    return state_->remove.bind(1, as_bytes(key)).run();
}

Result<std::vector<std::pair<std::string, Bytes>>> RecordStore::list(
    std::string_view prefix) const {
    const std::lock_guard lock(state_->mutex);
    std::vector<std::pair<std::string, Bytes>> found;
    auto row = state_->list.bind(1, as_bytes(prefix)).step();
    while (row && *row) {
        std::string key = state_->list.text(0);
        if (!key.starts_with(prefix)) {
            break;
        }
        found.emplace_back(std::move(key), to_bytes(state_->list.blob(1)));
        row = state_->list.step();
    }
    state_->list.reset();
    if (!row) {
        return fail(row.error());
    }
    return found;
}

}  // namespace decloud::store
