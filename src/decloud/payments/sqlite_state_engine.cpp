#include "internal/codec.hpp"
#include "state_engine.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/offload.hpp>
#include <decloud/store/error.hpp>
#include <decloud/store/sqlite.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace decloud::payments {

namespace {

using store::Statement;

constexpr std::chrono::seconds kWriteTimeout{30};

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

/// One lease or return; the caller's until it is queued, and again once `outcome` is there.
struct GrantChange {
    PayerAccount payer;
    std::function<Amount(Amount)> apply;
    Amount granted;
    std::optional<Result<void>> outcome;
};

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

    /// Sets each grant to what its change makes of it, all in one transaction.
    Result<void> update(const std::vector<std::shared_ptr<GrantChange>>& changes) {
        const std::lock_guard lock(mutex_);
        TRY(auto transaction, store::Transaction::begin(database_));
        TRY(Statement statement,
            database_.prepare("INSERT INTO slices VALUES (?1, ?2) "
                              "ON CONFLICT (payer) DO UPDATE SET granted = excluded.granted"));
        for (const auto& change : changes) {
            TRY(const Amount before, granted(change->payer));
            change->granted = change->apply(before);
            if (change->granted != before) {
                TRY_VOID(statement.bind(1, std::string_view(change->payer.text))
                        .bind(2, encode_amount(change->granted))
                        .run());
            }
        }
        return transaction.commit();
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
        return change(std::move(payer), [want, limit](Amount granted) {
            const Amount wished(granted.units() + want.units());
            return std::max(granted, std::min(wished, limit));
        });
    }

    async::Task<Result<Amount>> give_back(PayerAccount payer, Amount unspent) override {
        return change(std::move(payer),
            [unspent](Amount granted) { return granted.saturating_minus(unspent); });
    }

  private:
    using Changes = std::vector<std::shared_ptr<GrantChange>>;

    /// While one transaction runs, the next changes gather; then one of their callers writes them
    /// all.
    async::Task<Result<Amount>> change(PayerAccount payer, std::function<Amount(Amount)> apply) {
        if (!written_) {
            written_ = std::make_unique<async::Event>(co_await boost::asio::this_coro::executor);
        }
        const auto mine = std::make_shared<GrantChange>(
            GrantChange{std::move(payer), std::move(apply), {}, std::nullopt});
        queue_.push_back(mine);
        while (!mine->outcome) {
            if (writing_) {
                written_->reset();
                CO_TRY_VOID(co_await written_->wait(kWriteTimeout));
            } else {
                co_await write_queue();
            }
        }
        CO_TRY_VOID(mine->outcome.value_or(fail(CommonError::internal)));
        co_return mine->granted;
    }

    async::Task<void> write_queue() {
        writing_ = true;
        const auto batch = std::make_shared<Changes>(std::exchange(queue_, {}));
        // However this ends, nobody waits for it any longer.
        const std::unique_ptr<void, std::function<void(void*)>> done(
            this, [batch](void* engine) { static_cast<SqliteStateEngine*>(engine)->end(*batch); });
        const auto outcome =
            co_await async::offload(pool_, [file = file_, batch] { return file->update(*batch); });
        for (const auto& change : *batch) {
            change->outcome = outcome;
        }
    }

    void end(const Changes& batch) {
        for (const auto& change : batch) {
            if (!change->outcome) {
                change->outcome = fail(CommonError::cancelled);
            }
        }
        writing_ = false;
        written_->set();
    }

    std::shared_ptr<SliceFile> file_;
    boost::asio::thread_pool& pool_;
    Changes queue_;
    bool writing_ = false;
    std::unique_ptr<async::Event> written_;
};

}  // namespace

Result<std::unique_ptr<StateEngine>> make_sqlite_state_engine(
    const std::filesystem::path& path, boost::asio::thread_pool& pool) {
    TRY(store::Database database, store::Database::open(path, kMigrations));
    return std::unique_ptr<StateEngine>(
        std::make_unique<SqliteStateEngine>(std::move(database), pool));
}

}  // namespace decloud::payments
