#pragma once

#include "escrow_channels.hpp"
#include "ledger.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/chain/transaction_sender.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace decloud::payments {

/// For whom and in which contract to settle, and how often.
struct SettlerSettings {
    Address provider;
    Address escrow;
    AssetId asset;
    SettlementThresholds thresholds{
        .payer_amount = Amount(1'000'000), .age = std::chrono::seconds(60)};
    std::chrono::milliseconds poll{1000};
    /// Rows of one transaction: with vouchers 115 KB of the 128 KB that pools take, and 7 million
    /// gas.
    std::size_t max_rows = 400;
    /// Transactions that are not final at once: as many of one account as every node's pool takes.
    std::size_t max_batches = 16;
};

/// What the chain took.
struct Settled {
    std::uint64_t rows = 0;
    /// Money; trials are rows without any.
    Amount amount;
    /// Of the last transaction that is on the chain; 0 if none was needed.
    std::uint64_t block = 0;
};

/// Turns finished calls into transactions: cumulative rows by threshold, by time and when a channel
/// closes. Several transactions are on their way at once, no payer in two of them; while there are
/// some, only full ones follow, as a row is the cheaper the more there are. Rows are on disk before
/// their broadcast, so that they may be sent again after any crash. Single threaded; run `run()` in
/// a TaskGroup.
class Settler {
  public:
    /// All of them outlive this; `sender` is used by nobody else.
    Settler(async::Executor executor,
        Ledger& ledger,
        chain::TransactionSender& sender,
        EscrowChannels& channels,
        const Clock& clock,
        metrics::Registry& metrics,
        SettlerSettings settings);

    /// Settles what is due until cancelled.
    [[nodiscard]] async::Task<void> run();
    /// Has `run` settle everything now, and returns when it is final on the chain and taken over.
    /// Errors: cancelled with `gone` (what was begun goes on) or when `run` ends; the chain's for
    /// one of the transactions, the others go on.
    [[nodiscard]] async::Task<Result<Settled>> flush(async::CancellationToken gone);

  private:
    struct Wish;
    /// A transaction on its way, and who waits for it.
    struct Batch {
        std::vector<SettlementRow> rows;
        std::vector<std::shared_ptr<Wish>> wishes;
    };
    /// Of a payer, in a batch.
    struct RowUnderWay {
        Amount amount;
        std::shared_ptr<Batch> batch;
    };

    void measure();
    [[nodiscard]] async::Task<void> settle_until_cancelled();
    [[nodiscard]] async::Task<void> clean_up();
    void settle();
    void attend(const std::shared_ptr<Wish>& wish,
        const std::vector<SettlementRow>& unsettled,
        std::unordered_set<std::string>& wanted);
    void begin(std::vector<SettlementRow> rows);
    void end(const Batch& batch, const Result<Settled>& settled);
    void end_wishes();
    [[nodiscard]] async::Task<void> send(std::shared_ptr<Batch> batch);
    [[nodiscard]] async::Task<Result<Settled>> send_rows(std::vector<SettlementRow> rows);
    [[nodiscard]] Settled accepted(
        const std::vector<SettlementRow>& rows, const std::vector<Amount>& before) const;

    Ledger& ledger_;
    chain::TransactionSender& sender_;
    EscrowChannels& channels_;
    const Clock& clock_;
    SettlerSettings settings_;
    metrics::Counter& settled_rows_;
    metrics::Gauge& exposure_;
    metrics::Gauge& running_low_;
    async::Executor executor_;
    /// Of those who wait for everything to be settled.
    std::vector<std::shared_ptr<Wish>> wishes_;
    /// By payer.
    std::unordered_map<std::string, RowUnderWay> under_way_;
    std::unique_ptr<async::TaskGroup> batches_;
    async::Event wished_;
};

/// A TransactionSender's journal in a RecordStore, written on `pool`. Both outlive it.
[[nodiscard]] std::unique_ptr<chain::SenderJournal> make_sender_journal(
    store::RecordStore& records, boost::asio::thread_pool& pool);

}  // namespace decloud::payments
