#pragma once

#include "escrow_channels.hpp"
#include "ledger.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/chain/transaction_sender.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
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
    /// Rows of one transaction.
    std::size_t max_rows = 200;
};

/// What the chain took.
struct Settled {
    std::uint64_t rows = 0;
    /// Money; trials are rows without any.
    Amount amount;
    /// Of the last transaction; 0 if none was needed.
    std::uint64_t block = 0;
};

/// Turns finished calls into transactions: cumulative rows by threshold, by time and when a channel
/// closes. Rows are on disk before their broadcast, so that they may be sent again after any crash.
/// Single threaded; run `run()` in a TaskGroup.
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
    /// Errors: cancelled with `gone` (what was begun goes on) or when `run` ends; the chain's.
    [[nodiscard]] async::Task<Result<Settled>> flush(async::CancellationToken gone);

  private:
    struct Wish;
    void measure();
    [[nodiscard]] async::Task<void> settle();
    [[nodiscard]] async::Task<void> clean_up();
    [[nodiscard]] async::Task<Result<Settled>> send(std::vector<SettlementRow> rows);
    /// Rows of one kind.
    [[nodiscard]] async::Task<Result<Settled>> send_some(std::vector<SettlementRow> rows);
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
    async::Event wished_;
};

/// A TransactionSender's journal in a RecordStore, written on `pool`. Both outlive it.
[[nodiscard]] std::unique_ptr<chain::SenderJournal> make_sender_journal(
    store::RecordStore& records, boost::asio::thread_pool& pool);

}  // namespace decloud::payments
