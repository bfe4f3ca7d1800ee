#include "checkpoint.hpp"

#include <decloud/crypto/random.hpp>
#include <decloud/store/error.hpp>

#include <algorithm>

namespace decloud::payments::internal {

constexpr std::array<store::Migration, 3> kCheckpointMigrations = {
    store::Migration{1,
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE payers (id INTEGER PRIMARY KEY, record BLOB NOT NULL);"
        "CREATE TABLE counters (id INTEGER PRIMARY KEY, key TEXT NOT NULL, expires INTEGER NOT "
        "NULL,"
        "  finished INTEGER NOT NULL);"
        "CREATE TABLE keys (key BLOB PRIMARY KEY, expires INTEGER NOT NULL, state INTEGER NOT NULL,"
        "  digest BLOB NOT NULL, call TEXT NOT NULL, receipt BLOB) WITHOUT ROWID;"
        "CREATE INDEX keys_by_time ON keys (expires);"
        "CREATE TABLE open_holds (serial INTEGER PRIMARY KEY, payer INTEGER NOT NULL,"
        "  max BLOB NOT NULL, served INTEGER NOT NULL, key BLOB NOT NULL);"
        "CREATE TABLE receipts (first INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
        "  newest INTEGER NOT NULL, records BLOB NOT NULL, ends BLOB NOT NULL)"},
    // Format 2: each receipt without what is as in the one before it.
    store::Migration{2, "ALTER TABLE receipts ADD COLUMN format INTEGER NOT NULL DEFAULT 1"},
    // Format 3: the log has records that speak for many calls; an earlier version must not open it.
    store::Migration{3, "INSERT INTO meta VALUES ('log_format', x'03')"}};

namespace {

using store::Statement;

Bytes encode_number(std::uint64_t value) {
    Encoder out;
    out.integer(value);
    return to_bytes(out.view());
}

Bytes encode_amount(Amount amount) {
    Encoder out;
    out.amount(amount);
    return to_bytes(out.view());
}

std::int64_t signed_number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::uint64_t unsigned_column(const Statement& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}

/// Calls `use` for every row.
template <class Use>
Result<void> each(Statement statement, Use use) {
    while (true) {
        TRY(const bool more, statement.step());
        if (!more) {
            return {};
        }
        TRY_VOID(use(statement));
    }
}

}  // namespace

CheckpointStore::CheckpointStore(store::Database database) : database_(std::move(database)) {}

Result<std::unique_ptr<CheckpointStore>> CheckpointStore::open(const std::filesystem::path& path) {
    TRY(store::Database database, store::Database::open(path, kCheckpointMigrations));
    return std::unique_ptr<CheckpointStore>(new CheckpointStore(std::move(database)));
}

Result<std::uint64_t> CheckpointStore::number(const char* name, std::uint64_t otherwise) {
    TRY(Statement statement, database_.prepare("SELECT value FROM meta WHERE name = ?1"));
    TRY(const bool found, statement.bind(1, std::string_view(name)).step());
    if (!found) {
        return otherwise;
    }
    Decoder in(statement.blob(0));
    const auto value = in.integer<std::uint64_t>();
    if (!in.done()) {
        return fail(StoreError::damaged, std::string("ledger: bad value of ") + name);
    }
    return value;
}

Result<void> CheckpointStore::set(const char* name, BytesView value) {
    TRY(Statement statement,
        database_.prepare("INSERT INTO meta VALUES (?1, ?2) "
                          "ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
    return statement.bind(1, std::string_view(name)).bind(2, value).run();
}

Result<void> CheckpointStore::set(const char* name, std::uint64_t value) {
    return set(name, encode_number(value));
}

Result<ReceiptKey> CheckpointStore::receipt_key() {
    ReceiptKey key{};
    {
        TRY(Statement statement,
            database_.prepare("SELECT value FROM meta WHERE name = 'receipt_key'"));
        TRY(const bool found, statement.step());
        if (found) {
            const BytesView stored = statement.blob(0);
            if (stored.size() != key.size()) {
                return fail(StoreError::damaged, "ledger: bad receipt key");
            }
            std::ranges::copy(stored, key.begin());
            return key;
        }
    }
    crypto::fill_random(key);
    TRY_VOID(set("receipt_key", key));
    return key;
}

Result<void> CheckpointStore::load_payers(Book& book) {
    TRY(Statement statement, database_.prepare("SELECT record FROM payers ORDER BY id"));
    return each(std::move(statement), [&](const Statement& row) -> Result<void> {
        TRY(const auto record, decode<PayerRecord>(row.blob(0)));
        return book.apply(record);
    });
}

Result<void> CheckpointStore::load_counters(Book& book) {
    TRY(Statement statement, database_.prepare("SELECT id, key, expires, finished FROM counters"));
    return each(std::move(statement), [&](const Statement& row) -> Result<void> {
        CounterEntry counter;
        counter.record.index = static_cast<CounterIndex>(row.integer(0));
        counter.record.key = row.text(1);
        counter.record.expires = unsigned_column(row, 2);
        counter.finished = unsigned_column(row, 3);
        book.load_counter(std::move(counter));
        return {};
    });
}

Result<void> CheckpointStore::load_keys(Book& book) {
    TRY(Statement statement,
        database_.prepare("SELECT key, expires, state, digest, call, receipt FROM keys"));
    return each(std::move(statement), [&](const Statement& row) -> Result<void> {
        IdempotencyEntry entry;
        entry.expires.value = unsigned_column(row, 1);
        entry.state = static_cast<CallState>(row.integer(2));
        TRY(entry.request_digest, Bytes32::from(row.blob(3)));
        entry.call_id = row.text(4);
        if (!row.is_null(5)) {
            TRY(entry.receipt, ReceiptId::from(row.blob(5)));
        }
        book.add_key(row.text(0), std::move(entry));
        return {};
    });
}

Result<std::vector<OpenHold>> CheckpointStore::load_open_holds() {
    std::vector<OpenHold> holds;
    TRY(Statement statement,
        database_.prepare("SELECT serial, payer, max, served, key FROM open_holds"));
    TRY_VOID(each(std::move(statement), [&](const Statement& row) -> Result<void> {
        OpenHold hold;
        hold.serial = unsigned_column(row, 0);
        hold.payer = static_cast<PayerIndex>(row.integer(1));
        Decoder max(row.blob(2));
        hold.max = max.amount();
        hold.served = row.integer(3) != 0;
        hold.key = row.text(4);
        holds.push_back(std::move(hold));
        return {};
    }));
    return holds;
}

Result<LoadedState> CheckpointStore::load(Book& book) {
    LoadedState loaded;
    TRY(loaded.sequence, number("sequence", 0));
    TRY(loaded.next_hold, number("next_hold", 1));
    TRY(const std::uint64_t next_receipt, number("next_receipt", 1));
    TRY(const std::uint64_t swept_until, number("swept_until", 0));
    TRY(loaded.receipt_key, receipt_key());
    TRY_VOID(load_payers(book));
    TRY_VOID(load_counters(book));
    TRY_VOID(load_keys(book));
    TRY(loaded.open_holds, load_open_holds());
    book.load_position(next_receipt, swept_until);
    return loaded;
}

Result<void> CheckpointStore::save_payers(const Checkpoint& checkpoint) {
    TRY(Statement statement,
        database_.prepare("INSERT INTO payers VALUES (?1, ?2) "
                          "ON CONFLICT (id) DO UPDATE SET record = excluded.record"));
    Encoder encoder;
    for (const PayerRecord& record : checkpoint.changes.payers) {
        encoder.clear();
        encode(encoder, record);
        TRY_VOID(statement.bind(1, std::int64_t{record.index}).bind(2, encoder.view()).run());
    }
    return {};
}

Result<void> CheckpointStore::save_counters(const Checkpoint& checkpoint) {
    TRY(Statement statement,
        database_.prepare("INSERT INTO counters VALUES (?1, ?2, ?3, ?4) "
                          "ON CONFLICT (id) DO UPDATE SET finished = excluded.finished"));
    for (const CounterEntry& counter : checkpoint.changes.counters) {
        TRY_VOID(statement.bind(1, std::int64_t{counter.record.index})
                .bind(2, std::string_view(counter.record.key))
                .bind(3, signed_number(counter.record.expires))
                .bind(4, signed_number(counter.finished))
                .run());
    }
    TRY(Statement expired,
        database_.prepare("DELETE FROM counters WHERE expires != 0 AND expires < ?1"));
    return expired.bind(1, signed_number(checkpoint.now)).run();
}

Result<void> CheckpointStore::save_keys(const Checkpoint& checkpoint) {
    TRY(Statement statement,
        database_.prepare("INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                          "ON CONFLICT (key) DO UPDATE SET state = excluded.state, "
                          "receipt = excluded.receipt"));
    for (const auto& [key, entry] : checkpoint.changes.keys) {
        statement.bind(1, as_bytes(key))
            .bind(2, signed_number(entry.expires.value))
            .bind(3, std::int64_t{static_cast<int>(entry.state)})
            .bind(4, entry.request_digest.view())
            .bind(5, std::string_view(entry.call_id));
        if (entry.receipt) {
            statement.bind(6, entry.receipt->view());
        } else {
            statement.bind_null(6);
        }
        TRY_VOID(statement.run());
    }
    TRY(Statement expired, database_.prepare("DELETE FROM keys WHERE expires <= ?1"));
    return expired.bind(1, signed_number(checkpoint.swept_until)).run();
}

Result<void> CheckpointStore::save_open_holds(const Checkpoint& checkpoint) {
    TRY_VOID(database_.execute("DELETE FROM open_holds"));
    TRY(Statement statement,
        database_.prepare("INSERT INTO open_holds VALUES (?1, ?2, ?3, ?4, ?5)"));
    for (const OpenHold& hold : checkpoint.open_holds) {
        TRY_VOID(statement.bind(1, signed_number(hold.serial))
                .bind(2, std::int64_t{hold.payer})
                .bind(3, encode_amount(hold.max))
                .bind(4, std::int64_t{hold.served ? 1 : 0})
                .bind(5, as_bytes(hold.key))
                .run());
    }
    return {};
}

Result<void> CheckpointStore::save_receipts(const Checkpoint& checkpoint) {
    TRY(Statement statement,
        database_.prepare("INSERT OR REPLACE INTO receipts VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
    for (const auto& batch : checkpoint.changes.receipts) {
        Encoder ends;
        for (const std::uint32_t end : batch->ends) {
            ends.integer(end);
        }
        TRY_VOID(statement.bind(1, signed_number(batch->first))
                .bind(2, signed_number(batch->ends.size()))
                .bind(3, signed_number(batch->newest))
                .bind(4, BytesView(batch->records))
                .bind(5, ends.view())
                .bind(6, std::int64_t{batch->format})
                .run());
    }
    TRY(Statement old,
        database_.prepare("DELETE FROM receipts WHERE newest < ?1 OR first + count <= ?2"));
    return old.bind(1, signed_number(checkpoint.receipts_from_time))
        .bind(2, signed_number(checkpoint.receipts_from_serial))
        .run();
}

Result<void> CheckpointStore::save(const Checkpoint& checkpoint) {
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY_VOID(save_payers(checkpoint));
    TRY_VOID(save_counters(checkpoint));
    TRY_VOID(save_keys(checkpoint));
    TRY_VOID(save_open_holds(checkpoint));
    TRY_VOID(save_receipts(checkpoint));
    TRY_VOID(set("sequence", checkpoint.sequence));
    TRY_VOID(set("next_hold", checkpoint.next_hold));
    TRY_VOID(set("next_receipt", checkpoint.next_receipt));
    TRY_VOID(set("swept_until", checkpoint.swept_until));
    return transaction.commit();
}

Result<FinishedRecord> CheckpointStore::receipt(std::uint64_t serial) {
    TRY(Statement statement,
        database_.prepare("SELECT first, records, ends, format FROM receipts WHERE first <= ?1 "
                          "ORDER BY first DESC LIMIT 1"));
    TRY(const bool found, statement.bind(1, signed_number(serial)).step());
    if (!found) {
        return fail(CommonError::not_found, "no such receipt");
    }
    ReceiptBatch batch;
    batch.first = unsigned_column(statement, 0);
    batch.records = to_bytes(statement.blob(1));
    batch.format = static_cast<std::uint32_t>(statement.integer(3));
    const BytesView ends = statement.blob(2);
    Decoder in(ends);
    std::uint32_t last = 0;
    for (std::size_t i = 0; i < ends.size() / sizeof(std::uint32_t); ++i) {
        const auto end = in.integer<std::uint32_t>();
        if (end < last || end > batch.records.size()) {
            return fail(StoreError::damaged, "ledger: bad receipts");
        }
        last = end;
        batch.ends.push_back(end);
    }
    return batch.record(serial);
}

}  // namespace decloud::payments::internal
