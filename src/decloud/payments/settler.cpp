#include "settler.hpp"

#include "running_low.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/crypto/hash.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <optional>
#include <utility>

namespace decloud::payments {

namespace {

namespace escrow_abi = contracts::escrow;
constexpr std::string_view kJournalPrefix = "transaction/";
constexpr auto kFollowLimit = std::chrono::seconds(60);
/// As long as a sender waits for one transaction.
constexpr auto kFlushLimit = std::chrono::minutes(10);

/// Names a batch: the same rows are the same intent, also after a restart.
std::string intent_of(const Bytes& data) {
    const auto digest = crypto::sha256(data);
    return "settle-" + to_hex(BytesView(digest).first(16));
}

Result<Bytes> encode_channels(const std::vector<SettlementRow>& rows) {
    std::vector<escrow_abi::ConsumeRow> out;
    for (const SettlementRow& row : rows) {
        TRY(const Bytes32 id, parse_channel_account(row.payer));
        out.push_back({id, row.calls, row.amount.units()});
    }
    return escrow_abi::encode_consume_batch(out);
}

Result<Bytes> encode_claims(const std::vector<SettlementRow>& rows) {
    std::vector<escrow_abi::ClaimRow> out;
    for (const SettlementRow& row : rows) {
        TRY(const Bytes32 id, parse_channel_account(row.payer));
        const AcceptedVoucher voucher = row.voucher.value_or(AcceptedVoucher{});
        out.push_back({id, voucher.cumulative.units(), row.amount.units(),
            to_bytes(voucher.signature.view())});
    }
    return escrow_abi::encode_claim_batch(out);
}

Result<Bytes> encode_trials(const Address& provider, const std::vector<SettlementRow>& rows) {
    std::vector<escrow_abi::TrialRow> out;
    for (const SettlementRow& row : rows) {
        TRY(const Address user, parse_trial_account(row.payer));
        out.push_back({user, row.calls});
    }
    return escrow_abi::encode_consume_trials(provider, out);
}

/// What one transaction can hold of: the escrow has a function for each.
enum class RowKind { trial, pull, voucher };

RowKind kind_of(const SettlementRow& row) {
    if (row.payer.text.starts_with("trial:")) {
        return RowKind::trial;
    }
    return row.voucher ? RowKind::voucher : RowKind::pull;
}

Result<Bytes> encode_rows(const Address& provider, const std::vector<SettlementRow>& rows) {
    switch (kind_of(rows.front())) {
        case RowKind::trial:
            return encode_trials(provider, rows);
        case RowKind::pull:
            return encode_channels(rows);
        case RowKind::voucher:
            return encode_claims(rows);
    }
    return fail(CommonError::internal);
}

/// What the escrow settles; other payment methods settle their own.
bool is_of_escrow(const PayerAccount& payer) {
    return payer.text.starts_with("trial:") || payer.text.starts_with("channel:");
}

class Journal final : public chain::SenderJournal {
  public:
    Journal(store::RecordStore& records, boost::asio::thread_pool& pool)
        : records_(records), pool_(pool) {}

    [[nodiscard]] async::Task<Result<void>> save(std::string key, Bytes record) override {
        co_return co_await async::offload(
            pool_, [this, key = std::string(kJournalPrefix) + key, record = std::move(record)] {
                return records_.put(key, record);
            });
    }
    [[nodiscard]] async::Task<Result<void>> remove(std::string key) override {
        co_return co_await async::offload(pool_,
            [this, key = std::string(kJournalPrefix) + key] { return records_.remove(key); });
    }
    [[nodiscard]] async::Task<Result<std::vector<std::pair<std::string, Bytes>>>> load_all()
        override {
        auto all = co_await async::offload(pool_, [this] { return records_.list(kJournalPrefix); });
        if (all) {
            for (auto& [key, record] : *all) {
                key.erase(0, kJournalPrefix.size());
            }
        }
        co_return all;
    }

  private:
    store::RecordStore& records_;
    boost::asio::thread_pool& pool_;
};

}  // namespace

std::unique_ptr<chain::SenderJournal> make_sender_journal(
    store::RecordStore& records, boost::asio::thread_pool& pool) {
    return std::make_unique<Journal>(records, pool);
}

Settler::Settler(async::Executor executor,
    Ledger& ledger,
    chain::TransactionSender& sender,
    EscrowChannels& channels,
    const Clock& clock,
    metrics::Registry& metrics,
    SettlerSettings settings)
    : ledger_(ledger),
      sender_(sender),
      channels_(channels),
      clock_(clock),
      settings_(std::move(settings)),
      settled_rows_(metrics.counter(
          "decloud_settled_rows_total", "Rows of settlement transactions that are final.", {})),
      exposure_(metrics.gauge("decloud_exposure_units",
          "Finished or running and not yet on the final chain, in the token's smallest unit.",
          {})),
      running_low_(metrics.gauge("decloud_channels_running_low",
          "Open channels and trials with under a tenth, or less than a day's use, left.",
          {})),
      executor_(executor),
      wished_(executor) {}

struct Settler::Wish {
    explicit Wish(const async::Executor& executor) : done(executor) {}
    async::Event done;
    std::optional<Result<Settled>> outcome;
    /// Payers whose rows are in no batch of this wish yet; everybody's before it was attended to.
    std::unordered_set<std::string> waiting;
    bool attended = false;
    std::size_t batches = 0;
    Settled total;
    std::optional<Error> error;

    void end(Result<Settled> with) {
        if (!outcome) {
            outcome = std::move(with);
            done.set();
        }
    }
    void join(Batch& batch, const std::shared_ptr<Wish>& self) {
        if (std::ranges::find(batch.wishes, self) == batch.wishes.end()) {
            batch.wishes.push_back(self);
            ++batches;
        }
    }
};

void Settler::measure() {
    const auto exposure = ledger_.exposure();
    if (const auto found = exposure.find(settings_.asset); found != exposure.end()) {
        exposure_.set(static_cast<double>(found->second.amount.units()));
    }
    const UnixSeconds now = clock_.unix_seconds();
    const auto payers = ledger_.payers();
    running_low_.set(static_cast<double>(std::ranges::count_if(payers, [&](const PayerView& view) {
        return is_of_escrow(view.payer) && !view.chain.is_final && !view.chain.closing &&
               is_running_low(
                   view.chain.reserved, view.spent.amount, channels_.opened(view.payer), now);
    })));
}

async::Task<void> Settler::run() {
    batches_ = std::make_unique<async::TaskGroup>(executor_);
    std::exception_ptr thrown;
    try {
        co_await settle_until_cancelled();
    } catch (...) {
        thrown = std::current_exception();
    }
    // What was begun ends before this does.
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    batches_->cancel();
    co_await batches_->join();
    for (const auto& wish : std::exchange(wishes_, {})) {
        wish->end(fail(CommonError::cancelled, "the node is stopping"));
    }
    if (thrown) {
        std::rethrow_exception(thrown);
    }
}

async::Task<void> Settler::settle_until_cancelled() {
    for (;;) {
        const auto woken = co_await wished_.wait(settings_.poll);
        if (!woken && woken.error() == make_error_code(CommonError::cancelled)) {
            co_return;
        }
        wished_.reset();
        measure();
        co_await clean_up();
        settle();
    }
}

/// Begins what is due, and what somebody waits for.
void Settler::settle() {
    const bool idle = under_way_.empty();
    std::unordered_set<std::string> wanted;
    std::vector<SettlementRow> rows;
    if (!wishes_.empty()) {
        rows = ledger_.unsettled();
        std::erase_if(rows, [](const SettlementRow& row) { return !is_of_escrow(row.payer); });
        for (const auto& wish : wishes_) {
            attend(wish, rows, wanted);
        }
        std::erase_if(
            rows, [&](const SettlementRow& row) { return !wanted.contains(row.payer.text); });
    }
    for (SettlementRow& row : ledger_.settlement_due(clock_.unix_seconds(), settings_.thresholds)) {
        if (is_of_escrow(row.payer) && !under_way_.contains(row.payer.text) &&
            !wanted.contains(row.payer.text)) {
            const ChannelState* const chain = ledger_.find(row.payer);
            if (chain != nullptr && chain->closing) {
                wanted.insert(row.payer.text);
            }
            rows.push_back(std::move(row));
        }
    }
    // What cannot wait comes first.
    (void)std::ranges::partition(
        rows, [&](const SettlementRow& row) { return wanted.contains(row.payer.text); });
    for (const RowKind kind : {RowKind::voucher, RowKind::pull, RowKind::trial}) {
        std::vector<SettlementRow> all;
        std::ranges::copy_if(rows, std::back_inserter(all),
            [kind](const SettlementRow& row) { return kind_of(row) == kind; });
        for (std::size_t at = 0; at < all.size() && batches_->size() < settings_.max_batches;) {
            const std::size_t count = std::min(settings_.max_rows, all.size() - at);
            // What is not full waits for what is before it, in whose block it cannot be anyway.
            if (count < settings_.max_rows && !idle && !wanted.contains(all[at].payer.text)) {
                break;
            }
            const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
            begin({first, first + static_cast<std::ptrdiff_t>(count)});
            at += count;
        }
    }
    end_wishes();
}

/// Adds to `wanted` what this wish waits for and nobody sends yet.
void Settler::attend(const std::shared_ptr<Wish>& wish,
    const std::vector<SettlementRow>& unsettled,
    std::unordered_set<std::string>& wanted) {
    std::unordered_set<std::string> waiting;
    for (const SettlementRow& row : unsettled) {
        const std::string& payer = row.payer.text;
        if (wish->attended && !wish->waiting.contains(payer)) {
            continue;
        }
        const auto found = under_way_.find(payer);
        if (found != under_way_.end() && row.amount <= found->second.amount) {
            wish->join(*found->second.batch, wish);
            continue;
        }
        waiting.insert(payer);
        if (found == under_way_.end()) {
            wanted.insert(payer);
        }
    }
    wish->waiting = std::move(waiting);
    wish->attended = true;
}

void Settler::begin(std::vector<SettlementRow> rows) {
    const auto batch = std::make_shared<Batch>(Batch{.rows = std::move(rows), .wishes = {}});
    for (const SettlementRow& row : batch->rows) {
        under_way_.insert_or_assign(
            row.payer.text, RowUnderWay{.amount = row.amount, .batch = batch});
        for (const auto& wish : wishes_) {
            if (wish->waiting.erase(row.payer.text) != 0) {
                wish->join(*batch, wish);
            }
        }
    }
    batches_->spawn(send(batch));
}

void Settler::end(const Batch& batch, const Result<Settled>& settled) {
    for (const SettlementRow& row : batch.rows) {
        under_way_.erase(row.payer.text);
    }
    for (const auto& wish : batch.wishes) {
        --wish->batches;
        if (settled) {
            wish->total.rows += settled->rows;
            wish->total.amount =
                wish->total.amount.plus(settled->amount).value_or(wish->total.amount);
            wish->total.block = std::max(wish->total.block, settled->block);
        } else if (!wish->error) {
            wish->error = settled.error();
        }
    }
    end_wishes();
    wished_.set();
}

void Settler::end_wishes() {
    std::erase_if(wishes_, [](const std::shared_ptr<Wish>& wish) {
        const bool ended = wish->attended && wish->waiting.empty() && wish->batches == 0;
        if (ended) {
            wish->end(wish->error ? Result<Settled>(fail(*wish->error)) : wish->total);
        }
        return ended;
    });
}

/// Outcomes that nobody took: the process ended, or the wait for the follower did.
async::Task<void> Settler::clean_up() {
    const auto followed = channels_.followed();
    if (!followed) {
        co_return;
    }
    if (const auto forgotten = co_await sender_.forget_final(*followed); !forgotten) {
        log::warning(
            "payments", "old transactions stay in the journal: {}", forgotten.error().message());
    }
}

async::Task<Result<Settled>> Settler::flush(async::CancellationToken gone) {
    const auto wish = std::make_shared<Wish>(executor_);
    wishes_.push_back(wish);
    wished_.set();
    const auto registration = gone.on_cancel([wish] { wish->end(fail(CommonError::cancelled)); });
    CO_TRY_VOID(co_await wish->done.wait(kFlushLimit));
    co_return wish->outcome.value_or(fail(CommonError::internal));
}

async::Task<void> Settler::send(std::shared_ptr<Batch> batch) {
    Result<Settled> settled = fail(CommonError::cancelled, "the node is stopping");
    // However it ends, the rows are free again and nobody waits for it any longer.
    const std::shared_ptr<void> ended(
        nullptr, [this, &batch, &settled](void* /*nothing*/) { end(*batch, settled); });
    settled = co_await send_rows(batch->rows);
    if (!settled && settled.error() != make_error_code(CommonError::cancelled)) {
        log::warning("payments", "a settlement of {} rows did not go through, trying again: {}",
            batch->rows.size(), settled.error().message());
    }
}

/// Rows of one kind.
async::Task<Result<Settled>> Settler::send_rows(std::vector<SettlementRow> rows) {
    std::vector<Amount> before;
    for (const SettlementRow& row : rows) {
        const auto view = ledger_.payer(row.payer);
        before.push_back(view ? view->chain.claimed_on_chain : Amount());
    }
    CO_TRY(Bytes data, encode_rows(settings_.provider, rows));
    CO_TRY_VOID(co_await ledger_.note_sent_rows(rows));
    const std::string intent = intent_of(data);
    const auto outcome = co_await sender_.submit(
        {.intent = intent, .to = settings_.escrow, .data = std::move(data), .value = 0});
    if (!outcome) {
        // Final errors leave the journal, so that the same rows can be sent again; a pending one
        // stays.
        (void)co_await sender_.forget(intent);
        co_return std::unexpected(outcome.error());
    }
    CO_TRY_VOID(co_await channels_.wait_for(outcome->block_number, kFollowLimit));
    // From here on the chain itself says what was settled.
    CO_TRY_VOID(co_await sender_.forget(intent));
    Settled settled = accepted(rows, before);
    settled.block = outcome->block_number;
    if (kind_of(rows.front()) == RowKind::trial) {
        settled.amount = Amount();
    }
    settled_rows_.add(static_cast<double>(settled.rows));
    log::info("payments", "settled {} rows of {}, {} USDC, in block {}", settled.rows, rows.size(),
        format_usdc(settled.amount), settled.block);
    co_return settled;
}

/// What the final chain has of the rows, over what it had before.
Settled Settler::accepted(
    const std::vector<SettlementRow>& rows, const std::vector<Amount>& before) const {
    Settled out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto view = ledger_.payer(rows[i].payer);
        if (!view || view->chain.claimed_on_chain < rows[i].amount) {
            continue;
        }
        ++out.rows;
        out.amount =
            out.amount.plus(rows[i].amount.saturating_minus(before[i])).value_or(out.amount);
    }
    return out;
}

}  // namespace decloud::payments
