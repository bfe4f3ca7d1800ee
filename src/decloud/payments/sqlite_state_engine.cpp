#include "internal/codec.hpp"
#include "state_engine.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/store/error.hpp>
#include <decloud/store/sqlite.hpp>

#include <algorithm>
#include <array>
#include <mutex>

namespace decloud::payments {

namespace {

using store::Statement;

constexpr std::array<store::Migration, 1> kMigrations = {store::Migration{
    1, "CREATE TABLE slices (payer TEXT PRIMARY KEY, granted BLOB NOT NULL) WITHOUT ROWID"}};

Bytes encode_amount(Amount amount) {
    internal::Encoder out;
    out.amount(amount);
    return to_bytes(out.view());
}

Result<Amount> decode_amount(BytesView data) {
    internal::Decoder in(data);
    const Amount amount = in.amount();
    if (!in.done()) {
        return fail(StoreError::damaged, "slices: bad amount");
    }
    return amount;
}

/// The file, used from the pool's threads one at a time.
class SliceFile {
  public:
    explicit SliceFile(store::Database database) : database_(std::move(database)) {}

    Result<std::vector<Slice>> all() {
        const std::lock_guard lock(mutex_);
        std::vector<Slice> slices;
        TRY(Statement statement, database_.prepare("SELECT payer, granted FROM slices"));
        while (true) {
            TRY(const bool more, statement.step());
            if (!more) {
                return slices;
            }
            TRY(const Amount granted, decode_amount(statement.blob(1)));
            slices.push_back({PayerAccount{statement.text(0)}, granted});
        }
    }

    /// Sets the grant to what `change` makes of it, in one transaction.
    template <class Change>
    Result<Amount> update(const PayerAccount& payer, Change change) {
        const std::lock_guard lock(mutex_);
        TRY(auto transaction, store::Transaction::begin(database_));
        TRY(const Amount before, granted(payer));
        const Amount after = change(before);
        if (after == before) {
            return before;
        }
        {
            TRY(Statement statement,
                database_.prepare("INSERT INTO slices VALUES (?1, ?2) "
                                  "ON CONFLICT (payer) DO UPDATE SET granted = excluded.granted"));
            TRY_VOID(statement.bind(1, std::string_view(payer.text))
                    .bind(2, encode_amount(after))
                    .run());
        }
        TRY_VOID(transaction.commit());
        return after;
    }

  private:
    Result<Amount> granted(const PayerAccount& payer) {
        TRY(Statement statement, database_.prepare("SELECT granted FROM slices WHERE payer = ?1"));
        TRY(const bool found, statement.bind(1, std::string_view(payer.text)).step());
        if (!found) {
            return Amount{};
        }
        return decode_amount(statement.blob(0));
    }

    std::mutex mutex_;
    store::Database database_;
};

class SqliteStateEngine final : public StateEngine {
  public:
    SqliteStateEngine(store::Database database, boost::asio::thread_pool& pool)
        : file_(std::make_shared<SliceFile>(std::move(database))), pool_(pool) {}

    Result<std::vector<Slice>> resume() override { return file_->all(); }

    async::Task<Result<Amount>> lease(PayerAccount payer, Amount want, Amount limit) override {
        co_return co_await async::offload(
            pool_, [file = file_, payer = std::move(payer), want, limit] {
                return file->update(payer, [&](Amount granted) {
                    const Amount wished(granted.units() + want.units());
                    return std::max(granted, std::min(wished, limit));
                });
            });
    }

    async::Task<Result<Amount>> give_back(PayerAccount payer, Amount unspent) override {
        co_return co_await async::offload(pool_, [file = file_, payer = std::move(payer), unspent] {
            return file->update(
                payer, [&](Amount granted) { return granted.saturating_minus(unspent); });
        });
    }

  private:
    std::shared_ptr<SliceFile> file_;
    boost::asio::thread_pool& pool_;
};

}  // namespace

Result<std::unique_ptr<StateEngine>> make_sqlite_state_engine(
    const std::filesystem::path& path, boost::asio::thread_pool& pool) {
    TRY(store::Database database, store::Database::open(path, kMigrations));
    return std::unique_ptr<StateEngine>(
        std::make_unique<SqliteStateEngine>(std::move(database), pool));
}

}  // namespace decloud::payments
