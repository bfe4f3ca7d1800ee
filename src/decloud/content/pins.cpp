#include "pins.hpp"

#include <decloud/base/units.hpp>
#include <decloud/store/sqlite.hpp>

#include <fmt/format.h>

#include <array>
#include <limits>
#include <mutex>

namespace decloud::content {

namespace {

constexpr std::array kMigrations = {store::Migration{.version = 1,
    .statements = "CREATE TABLE pins (root BLOB NOT NULL, owner TEXT NOT NULL,"
                  " reason TEXT NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL,"
                  " expires INTEGER, PRIMARY KEY (root, owner, reason)) WITHOUT ROWID;"
                  "CREATE INDEX pins_owner ON pins (owner);"}};

constexpr std::string_view kColumns =
    "SELECT root, owner, reason, bytes, created, expires FROM pins";

std::int64_t to_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t to_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

Result<std::vector<Pin>> read_pins(store::Statement& rows) {
    std::vector<Pin> out;
    for (;;) {
        TRY(const bool row, rows.step());
        if (!row) {
            return out;
        }
        TRY(Cid root, Cid::from_bytes(rows.blob(0)));
        Pin pin{.root = std::move(root),
            .owner = rows.text(1),
            .reason = rows.text(2),
            .bytes = to_unsigned(rows.integer(3)),
            .created = {to_unsigned(rows.integer(4))},
            .expires = {}};
        if (!rows.is_null(5)) {
            pin.expires = UnixSeconds{to_unsigned(rows.integer(5))};
        }
        out.push_back(std::move(pin));
    }
}

class SqlitePins final : public Pins {
  public:
    explicit SqlitePins(store::Database database) : database_(std::move(database)) {}

    Result<void> pin(const Pin& pin) override {
        return pin_within(pin, std::numeric_limits<std::int64_t>::max());
    }

    Result<void> pin_within(const Pin& pin, std::uint64_t max_owner_bytes) override {
        if (pin.bytes > std::numeric_limits<std::uint32_t>::max() * kKiB) {
            return fail(CommonError::limit_exceeded, "a pin of more than 4 TiB");
        }
        const std::lock_guard lock(mutex_);
        TRY(store::Transaction transaction, store::Transaction::begin(database_));
        TRY_VOID(insert(pin));
        TRY(const std::uint64_t total, sum_of(pin.owner));
        if (total > max_owner_bytes) {
            return fail(
                CommonError::limit_exceeded, fmt::format("{} may keep {} bytes and would keep {}",
                                                 pin.owner, max_owner_bytes, total));
        }
        return transaction.commit();
    }

    Result<std::uint64_t> unpin(
        const Cid& root, std::string_view owner, std::string_view reason) override {
        const std::lock_guard lock(mutex_);
        TRY(store::Statement statement,
            database_.prepare("DELETE FROM pins WHERE root = ?1 AND owner = ?2"
                              " AND (?3 = '' OR reason = ?3)"));
        const Bytes key = root.to_bytes();
        TRY_VOID(statement.bind(1, BytesView(key)).bind(2, owner).bind(3, reason).run());
        return to_unsigned(database_.changes());
    }

    Result<std::uint64_t> unpin_reason(std::string_view owner, std::string_view reason) override {
        const std::lock_guard lock(mutex_);
        TRY(store::Statement statement,
            database_.prepare("DELETE FROM pins WHERE owner = ?1 AND reason = ?2"));
        TRY_VOID(statement.bind(1, owner).bind(2, reason).run());
        return to_unsigned(database_.changes());
    }

    [[nodiscard]] Result<std::vector<Pin>> list() const override {
        const std::lock_guard lock(mutex_);
        TRY(store::Statement rows, database_.prepare(std::string(kColumns)));
        return read_pins(rows);
    }

    [[nodiscard]] Result<std::vector<Pin>> list_owner(std::string_view owner) const override {
        const std::lock_guard lock(mutex_);
        TRY(store::Statement rows, database_.prepare(fmt::format("{} WHERE owner = ?1", kColumns)));
        rows.bind(1, owner);
        return read_pins(rows);
    }

    [[nodiscard]] Result<bool> is_pinned(const Cid& root) const override {
        const std::lock_guard lock(mutex_);
        TRY(store::Statement rows, database_.prepare("SELECT 1 FROM pins WHERE root = ?1"));
        const Bytes key = root.to_bytes();
        rows.bind(1, BytesView(key));
        return rows.step();
    }

    [[nodiscard]] Result<std::uint64_t> owner_bytes(std::string_view owner) const override {
        const std::lock_guard lock(mutex_);
        return sum_of(owner);
    }

    Result<void> expire_owner(std::string_view owner, std::optional<UnixSeconds> expires) override {
        const std::lock_guard lock(mutex_);
        TRY(store::Statement statement,
            database_.prepare("UPDATE pins SET expires = ?2 WHERE owner = ?1"));
        statement.bind(1, owner);
        if (expires) {
            statement.bind(2, to_signed(expires->value));
        } else {
            statement.bind_null(2);
        }
        return statement.run();
    }

    Result<std::vector<Pin>> remove_expired(UnixSeconds now) override {
        const std::lock_guard lock(mutex_);
        TRY(store::Transaction transaction, store::Transaction::begin(database_));
        std::vector<Pin> removed;
        {
            TRY(store::Statement rows,
                database_.prepare(fmt::format("{} WHERE expires <= ?1", kColumns)));
            rows.bind(1, to_signed(now.value));
            TRY(removed, read_pins(rows));
        }
        TRY(store::Statement statement, database_.prepare("DELETE FROM pins WHERE expires <= ?1"));
        TRY_VOID(statement.bind(1, to_signed(now.value)).run());
        TRY_VOID(transaction.commit());
        return removed;
    }

  private:
    Result<void> insert(const Pin& pin) {
        TRY(store::Statement statement,
            database_.prepare("INSERT OR REPLACE INTO pins VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
        const Bytes key = pin.root.to_bytes();
        statement.bind(1, BytesView(key))
            .bind(2, std::string_view(pin.owner))
            .bind(3, std::string_view(pin.reason))
            .bind(4, to_signed(pin.bytes))
            .bind(5, to_signed(pin.created.value));
        if (pin.expires) {
            statement.bind(6, to_signed(pin.expires->value));
        } else {
            statement.bind_null(6);
        }
        return statement.run();
    }

    /// A root that an owner pins for several reasons counts once.
    Result<std::uint64_t> sum_of(std::string_view owner) const {
        TRY(store::Statement rows,
            database_.prepare("SELECT COALESCE(SUM(b), 0) FROM (SELECT MAX(bytes) AS b FROM pins"
                              " WHERE owner = ?1 GROUP BY root)"));
        rows.bind(1, owner);
        TRY(const bool row, rows.step());
        return row ? to_unsigned(rows.integer(0)) : 0;
    }

    mutable std::mutex mutex_;
    mutable store::Database database_;
};

}  // namespace

Result<std::unique_ptr<Pins>> open_pins(const std::filesystem::path& file) {
    TRY(store::Database database, store::Database::open(file, kMigrations));
    return std::make_unique<SqlitePins>(std::move(database));
}

}  // namespace decloud::content
