#include "ledger.hpp"

#include "internal/finished_codec.hpp"
#include "internal/ledger_state.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/log.hpp>
#include <decloud/store/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::payments {

using internal::OpenHold;
using internal::RecordType;

namespace {

constexpr const char* kModule = "payments";

Result<Receipt> make_receipt(
    const internal::Book& book, const ReceiptId& id, internal::FinishedRecord record) {
    if (record.receipt != id || !book.knows_payer(record.payer)) {
        return fail(CommonError::not_found, "no such receipt");
    }
    const internal::PayerRecord& payer = book.payers()[record.payer].record;
    return Receipt{id, payer.payer, payer.chain.asset, record.amount, record.calls, record.time,
        std::move(record.call_id), std::move(record.call)};
}

}  // namespace

Ledger::State::State(
    LedgerSettings settings, async::Executor executor, StateEngine& engine, const Clock& clock)
    : settings_(std::move(settings)),
      executor_(executor),
      engine_(engine),
      clock_(clock),
      leased_(executor),
      saved_(executor),
      upkeep_(executor),
      tasks_(executor) {}

internal::KeyNode* Ledger::State::find_key(std::string_view key) {
    const auto found = key.empty() ? book_.keys().end() : book_.keys().find(key);
    return found == book_.keys().end() ? nullptr : &*found;
}

internal::OpenHold& Ledger::State::OpenHolds::know(internal::HoldSerial serial) {
    ahead.erase(serial);
    OpenHold& hold = known[serial];
    hold.serial = serial;
    return hold;
}

void Ledger::State::OpenHolds::end(internal::HoldSerial serial) {
    ahead.erase(serial);
    known.erase(serial);
}

Result<void> Ledger::State::replay_finished(
    const internal::FinishedRecord& record, OpenHolds& open) {
    const auto hold = open.known.find(record.serial);
    internal::KeyNode* key = hold == open.known.end() ? nullptr : find_key(hold->second.key);
    TRY_VOID(book_.apply(record, {}, key));
    next_hold_ = std::max(next_hold_, record.serial + 1);
    if (!record.goes_on) {
        open.end(record.serial);
    }
    return {};
}

Result<void> Ledger::State::replay(const store::LogRecord& logged, OpenHolds& open) {
    switch (static_cast<RecordType>(logged.type)) {
        case RecordType::payer: {
            TRY(const auto record, internal::decode<internal::PayerRecord>(logged.payload));
            return book_.apply(record);
        }
        case RecordType::counter: {
            TRY(const auto record, internal::decode<internal::CounterRecord>(logged.payload));
            return book_.apply(record);
        }
        case RecordType::sent_row: {
            TRY(const auto record, internal::decode<internal::SentRowRecord>(logged.payload));
            return book_.apply(record);
        }
        case RecordType::voucher: {
            TRY(const auto record, internal::decode<internal::VoucherRecord>(logged.payload));
            return book_.apply(record);
        }
        default:
            return replay_call(logged, open);
    }
}

Result<void> Ledger::State::replay_call(const store::LogRecord& logged, OpenHolds& open) {
    switch (static_cast<RecordType>(logged.type)) {
        case RecordType::hold: {
            TRY(const auto record, internal::decode<internal::HoldRecord>(logged.payload));
            next_hold_ = std::max(next_hold_, record.serial + 1);
            auto& node =
                book_.add_key(record.key, {CallState::held, record.request_digest, record.call_id,
                                              std::nullopt, UnixSeconds{record.expires}});
            book_.mark_dirty(node);
            open.know(record.serial) = {record.serial, record.payer, record.max, false, record.key};
            return {};
        }
        case RecordType::served: {
            TRY(const auto record, internal::decode<internal::ServedRecord>(logged.payload));
            next_hold_ = std::max(next_hold_, record.serial + 1);
            OpenHold& hold = open.know(record.serial);
            hold.payer = record.payer;
            hold.max = record.max;
            hold.served = true;
            return {};
        }
        case RecordType::served_ahead: {
            TRY(const auto record, internal::decode<internal::ServedAheadRecord>(logged.payload));
            open.ahead.erase(open.ahead.lower_bound(record.from), open.ahead.end());
            for (auto serial = record.from; serial <= record.through; ++serial) {
                open.ahead.emplace_hint(open.ahead.end(), serial, record.each);
            }
            next_hold_ = std::max(next_hold_, record.through + 1);
            return {};
        }
        case RecordType::finished: {
            TRY(const auto record, internal::decode<internal::FinishedRecord>(logged.payload));
            return replay_finished(record, open);
        }
        case RecordType::finished_short: {
            TRY(const auto record, internal::decode_short(logged.payload, book_.last_finished()));
            return replay_finished(record, open);
        }
        case RecordType::released: {
            TRY(const auto record, internal::decode<internal::ReleasedRecord>(logged.payload));
            const auto hold = open.known.find(record.serial);
            auto* key = hold == open.known.end() ? nullptr : find_key(hold->second.key);
            if (key != nullptr) {
                key->second.entry.state = CallState::released;
                book_.mark_dirty(*key);
            }
            open.end(record.serial);
            return {};
        }
        default:
            break;
    }
    return fail(StoreError::damaged,
        fmt::format("ledger log, record {}: unknown type {}", logged.sequence, logged.type));
}

void Ledger::State::release_open(const OpenHolds& open) {
    for (const auto& [serial, hold] : open.known) {
        ++(hold.served ? recovery_.served_released : recovery_.held_released);
        recovery_.amount_released = Amount(recovery_.amount_released.units() + hold.max.units());
        if (auto* key = find_key(hold.key)) {
            key->second.entry.state = CallState::released;
            book_.mark_dirty(*key);
        }
    }
    recovery_.served_released += open.ahead.size();
    for (const auto& [serial, each] : open.ahead) {
        recovery_.amount_released = Amount(recovery_.amount_released.units() + each.units());
    }
}

Result<void> Ledger::State::load(internal::LoadedState& loaded) {
    TRY(loaded, store_->load(book_));
    receipt_ids_ = std::make_unique<internal::ReceiptIds>(loaded.receipt_key);
    next_hold_ = loaded.next_hold;
    checkpoint_sequence_ = loaded.sequence;
    return {};
}

Result<void> Ledger::State::open() {
    std::error_code failed;
    std::filesystem::create_directories(settings_.directory, failed);
    if (failed) {
        return fail(errno_error("make " + settings_.directory.string(), failed.value()));
    }
    TRY(store_, internal::CheckpointStore::open(settings_.directory / "ledger.sqlite"));
    internal::LoadedState loaded;
    TRY_VOID(load(loaded));
    // What was loaded is what the file has.
    static_cast<void>(book_.take_changes());
    OpenHolds open;
    for (OpenHold& hold : loaded.open_holds) {
        const auto serial = hold.serial;
        open.known.emplace(serial, std::move(hold));
    }
    store::LogSettings log_settings;
    log_settings.directory = settings_.directory / "log";
    log_settings.segment_bytes = settings_.log_segment_bytes;
    TRY(log_, store::GroupCommitLog::open(std::move(log_settings), executor_, loaded.sequence + 1,
                  [&](const store::LogRecord& record) { return replay(record, open); }));
    last_sequence_ = log_->recovery().last_sequence;
    recovery_.log_records = log_->recovery().records;
    recovery_.bytes_cut = log_->recovery().bytes_cut;
    recovery_.cut_at = log_->recovery().cut_at;
    release_open(open);
    TRY(const auto slices, engine_.resume());
    for (const Slice& slice : slices) {
        if (auto* payer = book_.find_payer(slice.payer.text)) {
            payer->granted = std::max(slice.granted, payer->own_spent());
        }
    }
    if (last_sequence_ > checkpoint_sequence_ || open.size() != 0) {
        unsaved_ = take_checkpoint();
        // Without room on the disk it is tried again later; nothing is lost, the log still has it.
        if (const auto saved = store_->save(*unsaved_)) {
            checkpoint_sequence_ = unsaved_->sequence;
            book_.forget_receipts_below(unsaved_->next_receipt);
            log_->drop_before(checkpoint_sequence_ + 1);
            unsaved_.reset();
        } else {
            log::warning(kModule, "the log is not folded yet: {}", saved.error().message());
        }
    }
    if (recovery_.bytes_cut != 0 || open.size() != 0) {
        log::warning(kModule,
            "recovered: at most {} calls were running and are not charged ({} of them may have "
            "been "
            "answered: the last commit window), {} bytes of a torn log tail cut",
            open.size(), recovery_.served_released, recovery_.bytes_cut);
    }
    tasks_.spawn(maintain());
    return {};
}

async::Task<Result<void>> Ledger::State::close() {
    if (closing_) {
        co_return Result<void>{};
    }
    for (Hold& hold : holds_) {
        if (hold.serial != 0) {
            const auto index = static_cast<std::uint64_t>(&hold - holds_.data());
            static_cast<void>(release(
                HoldId{index | (std::uint64_t{hold.generation} << 32U)}, ReleaseReason::cancelled));
        }
    }
    stop_serving_ahead();
    closing_ = true;
    upkeep_.cancel();
    co_await tasks_.join();
    auto saved = co_await checkpoint();
    log_->close();
    pool_.join();
    co_return saved;
}

async::Task<Result<Receipt>> Ledger::State::receipt(ReceiptId id) {
    const std::uint64_t serial = receipt_ids_->serial_of(id);
    if (serial == 0 || serial >= book_.next_receipt()) {
        co_return fail(CommonError::not_found, "no such receipt");
    }
    if (const auto batch = book_.recent_receipts(serial)) {
        if (auto record = batch->record(serial)) {
            co_return make_receipt(book_, id, std::move(*record));
        }
    }
    CO_TRY(auto record, co_await async::offload(pool_,
                            [store = store_.get(), serial] { return store->receipt(serial); }));
    co_return make_receipt(book_, id, std::move(record));
}

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}

Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(
    LedgerSettings settings, async::Executor executor, StateEngine& engine, const Clock& clock) {
    auto state = std::make_unique<State>(std::move(settings), std::move(executor), engine, clock);
    TRY_VOID(state->open());
    return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

const LedgerRecovery& Ledger::recovery() const { return state_->recovery(); }

Result<HoldId> Ledger::hold(HoldRequest request) { return state_->hold(request); }

async::Task<Result<HoldId>> Ledger::acquire(HoldRequest request) {
    return state_->acquire(std::move(request));
}

Result<void> Ledger::extend(HoldId id, Amount more) { return state_->extend(id, more); }

async::Task<Result<void>> Ledger::extend_interval(HoldId id, Amount more) {
    return state_->extend_interval(id, more);
}

std::optional<Result<HoldId>> Ledger::try_acquire(HoldRequest& request) {
    return state_->try_acquire(request);
}

bool Ledger::try_begin(HoldId id) { return state_->try_begin(id); }

bool Ledger::try_served(HoldId id) { return state_->try_served(id); }

async::Task<Result<void>> Ledger::begin(HoldId id) { return state_->begin(id); }

async::Task<Result<void>> Ledger::served(HoldId id) { return state_->served(id); }

Result<ReceiptId> Ledger::commit(HoldId id, Amount actual, CallRecord call) {
    return state_->commit(id, actual, std::move(call), false);
}

Result<ReceiptId> Ledger::commit_interval(HoldId id, Amount actual, CallRecord call) {
    return state_->commit(id, actual, std::move(call), true);
}

Result<void> Ledger::release(HoldId id, ReleaseReason reason) {
    return state_->release(id, reason);
}

async::Task<Result<void>> Ledger::flush() { return state_->flush(); }

Result<void> Ledger::record_chain(PayerAccount payer, ChannelState state, ChainMove move) {
    return state_->record_chain(std::move(payer), std::move(state), move);
}

Result<void> Ledger::record_missing(PayerAccount payer) { return state_->record_missing(payer); }

void Ledger::confirm_chain(const PayerAccount& payer) { state_->confirm_chain(payer); }

async::Task<Result<void>> Ledger::note_sent_rows(std::vector<SettlementRow> rows) {
    return state_->note_sent_rows(std::move(rows));
}

Result<void> Ledger::resume_payer(PayerAccount payer) { return state_->resume_payer(payer); }

Result<void> Ledger::accept(const PayerAccount& payer, const AcceptedVoucher& voucher) {
    return state_->accept(payer, voucher);
}

const ChannelState* Ledger::find(const PayerAccount& payer) const {
    const auto* entry = state_->book().find_payer(payer.text);
    return entry == nullptr ? nullptr : &entry->record.chain;
}

Amount Ledger::spendable(const PayerAccount& payer) const {
    const auto* entry = state_->book().find_payer(payer.text);
    return entry == nullptr ? Amount{} : state_->spendable(*entry);
}

Spent Ledger::spent(const PayerAccount& payer) const {
    const auto* entry = state_->book().find_payer(payer.text);
    return entry == nullptr ? Spent{} : entry->record.spent;
}

Result<PayerView> Ledger::payer(const PayerAccount& payer) const {
    const auto* entry = state_->book().find_payer(payer.text);
    if (entry == nullptr) {
        return fail(PaymentError::unknown_payer, payer.text);
    }
    return state_->view(*entry);
}

std::vector<PayerView> Ledger::payers() const {
    std::vector<PayerView> views;
    for (const auto& entry : state_->book().payers()) {
        views.push_back(state_->view(entry));
    }
    return views;
}

std::map<std::pair<std::string, AssetId>, Spent> Ledger::spent_by_owner() const {
    std::map<std::pair<std::string, AssetId>, Spent> sums;
    for (const auto& entry : state_->book().payers()) {
        const internal::PayerRecord& record = entry.record;
        Spent& sum = sums[{record.chain.owner, record.chain.asset}];
        sum.calls += record.spent.calls;
        sum.amount = Amount(sum.amount.units() + record.spent.amount.units());
    }
    return sums;
}

std::uint64_t Ledger::counter(std::string_view key) const {
    const auto* counter = state_->book().find_counter(key);
    return counter == nullptr ? 0 : counter->finished + counter->running;
}

std::optional<IdempotencyEntry> Ledger::idempotency(std::string_view key) const {
    const auto found = state_->book().keys().find(key);
    if (found == state_->book().keys().end()) {
        return std::nullopt;
    }
    return found->second.entry;
}

std::map<AssetId, Exposure> Ledger::exposure() const { return state_->exposure(); }

std::size_t Ledger::running() const { return state_->running(); }

std::vector<SettlementRow> Ledger::settlement_due(
    UnixSeconds now, SettlementThresholds thresholds) const {
    return state_->settlement_due(now, thresholds);
}

std::vector<SettlementRow> Ledger::unsettled() const { return state_->unsettled(); }

async::Task<Result<Receipt>> Ledger::receipt(ReceiptId id) { return state_->receipt(id); }

async::Task<Result<void>> Ledger::checkpoint() { return state_->checkpoint(); }

async::Task<Result<void>> Ledger::close() { return state_->close(); }

}  // namespace decloud::payments
