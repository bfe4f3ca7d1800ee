#include "internal/finished_codec.hpp"
#include "internal/ledger_state.hpp"
#include "ledger.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/store/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::payments {

using internal::CounterEntry;
using internal::PayerEntry;
using internal::RecordType;
using store::LogUse;

namespace {

constexpr std::size_t kMaxPayer = 128;
constexpr std::size_t kMaxKey = 256;
constexpr std::size_t kMaxCallId = 64;
constexpr std::size_t kMaxCounters = 16;
constexpr std::size_t kMaxService = 64;
constexpr std::size_t kMaxSubject = 256;
constexpr std::chrono::seconds kLeaseTimeout{10};
/// A disk that falls behind slows calls down before it makes them fail.
constexpr std::chrono::seconds kLogPatience{5};
constexpr std::chrono::milliseconds kLogRetry{2};
constexpr std::chrono::milliseconds kAheadIdle{10};

/// For a log that is not ready. Begins when it is first asked for, as most calls never are.
class Patience {
  public:
    [[nodiscard]] bool lasts() {
        const auto now = std::chrono::steady_clock::now();
        if (!until_) {
            until_ = now + kLogPatience;
        }
        return now < *until_;
    }

  private:
    std::optional<std::chrono::steady_clock::time_point> until_;
};

/// How many calls at `price` an amount stands for, so that a row never asks for more than price ×
/// calls.
std::uint64_t calls_for(Amount amount, Amount price) {
    if (price.is_zero() || amount.is_zero()) {
        return 1;
    }
    return static_cast<std::uint64_t>((amount.units() + price.units() - 1) / price.units());
}

}  // namespace

Result<std::uint64_t> Ledger::State::write_encoded(RecordType type, LogUse use) {
    TRY(last_sequence_, log_->append(static_cast<std::uint8_t>(type), encoder_.view(), use));
    bytes_since_checkpoint_ += encoder_.view().size();
    if (bytes_since_checkpoint_ >= settings_.checkpoint_bytes && !saving_ && !save_failing_) {
        upkeep_.cancel();
    }
    return last_sequence_;
}

Result<std::uint64_t> Ledger::State::write_finished(const internal::FinishedRecord& record) {
    encoder_.clear();
    internal::encode_short(encoder_, record, book_.previous_in_batch(record.receipt_serial));
    return write_encoded(RecordType::finished_short, LogUse::closing);
}

Result<void> Ledger::State::check_open() const {
    if (closing_) {
        return fail(StoreError::closed, "the ledger is closed");
    }
    return {};
}

Result<void> Ledger::State::check_shape(const HoldRequest& request) const {
    const bool key_fits =
        !request.idempotency_key ||
        (!request.idempotency_key->empty() && request.idempotency_key->size() <= kMaxKey);
    const bool counters_fit = request.counters.size() <= kMaxCounters &&
                              std::ranges::all_of(request.counters, [](const CounterClaim& claim) {
                                  return !claim.key.empty() && claim.key.size() <= kMaxKey;
                              });
    if (request.payer.text.empty() || request.payer.text.size() > kMaxPayer || !key_fits ||
        !counters_fit || request.call_id.size() > kMaxCallId) {
        return fail(CommonError::invalid_input, "a hold's names are empty or too long");
    }
    return {};
}

Result<void> Ledger::State::check_key(const HoldRequest& request) {
    if (!request.idempotency_key) {
        return {};
    }
    const UnixSeconds time = now();
    book_.sweep(time);
    const auto lifetime = static_cast<std::uint64_t>(settings_.max_key_lifetime.count());
    if (find_key(*request.idempotency_key) != nullptr) {
        return fail(PaymentError::already_used);
    }
    // A clock that was set back must not bring forgotten keys to life.
    if (request.expires.value <= std::max(time.value, book_.swept_until())) {
        return fail(PaymentError::expired, "the authorisation is too old");
    }
    if (request.expires.value > time.value + lifetime) {
        return fail(PaymentError::expired,
            fmt::format("the authorisation is valid for more than {} s", lifetime));
    }
    if (book_.keys().size() >= settings_.max_idempotency_keys) {
        return fail(PaymentError::overloaded, "too many authorisations are remembered");
    }
    return {};
}

Result<void> Ledger::State::check_exposure(const PayerEntry& payer, Amount more) const {
    const auto passes = [more](Amount amount, Amount limit) {
        return more > limit.saturating_minus(amount);
    };
    if (passes(payer.exposure(), settings_.max_exposure_per_payer)) {
        return fail(PaymentError::exposure_limit, "per channel");
    }
    for (std::uint32_t at = payer.group; at < book_.groups().size();) {
        const internal::ExposureGroup& group = book_.group(at);
        const bool whole = group.owner.empty();
        if (passes(
                group.amount, whole ? settings_.max_exposure : settings_.max_exposure_per_owner)) {
            return fail(PaymentError::exposure_limit, whole ? "of this node" : "per owner");
        }
        at = group.whole;
    }
    return {};
}

Result<void> Ledger::State::check_money(const PayerEntry& payer, Amount more) const {
    const internal::PayerRecord& record = payer.record;
    if (!record.stopped.empty()) {
        return fail(PaymentError::payer_stopped, record.stopped);
    }
    if (record.chain.is_final || record.chain.closing) {
        return fail(PaymentError::payer_stopped,
            record.chain.is_final ? "the channel is closed" : "the channel is closing");
    }
    if (more > payer.unspent()) {
        return fail(PaymentError::insufficient_funds,
            fmt::format("{} needed, {} available", to_string(more), to_string(payer.unspent())));
    }
    TRY_VOID(check_exposure(payer, more));
    if (more > payer.slice_left()) {
        return fail(PaymentError::slice_exhausted);
    }
    return {};
}

Result<void> Ledger::State::check_counters(const HoldRequest& request) const {
    if (book_.counters() + request.counters.size() > settings_.max_counters) {
        return fail(PaymentError::overloaded, "too many counters");
    }
    for (const CounterClaim& claim : request.counters) {
        const CounterEntry* counter = book_.find_counter(claim.key);
        const std::uint64_t used = counter == nullptr ? 0 : counter->finished + counter->running;
        if (used >= claim.limit) {
            return fail(PaymentError::counter_exhausted,
                fmt::format("{}: {} of {}", claim.key, used, claim.limit));
        }
    }
    return {};
}

Ledger::State::Hold& Ledger::State::make_hold(HoldId& id) {
    if (free_holds_.empty()) {
        free_holds_.push_back(static_cast<std::uint32_t>(holds_.size()));
        holds_.emplace_back();
    }
    const std::uint32_t index = free_holds_.back();
    free_holds_.pop_back();
    Hold& hold = holds_[index];
    hold.serial = next_hold_++;
    id = HoldId{index | (std::uint64_t{hold.generation} << 32U)};
    return hold;
}

Result<Ledger::State::Hold*> Ledger::State::find(HoldId id) {
    const auto index = static_cast<std::uint32_t>(id.value);
    if (index >= holds_.size() || holds_[index].serial == 0 ||
        holds_[index].generation != id.value >> 32U) {
        return fail(PaymentError::unknown_hold);
    }
    return &holds_[index];
}

void Ledger::State::end(Hold& hold) {
    for (const HeldCounter& counter : hold.counters) {
        counter.entry->running -= hold.claims;
    }
    hold.claims = 1;
    ++hold.generation;
    hold.serial = 0;
    hold.held = Amount();
    hold.sequence = 0;
    hold.served.reset();
    hold.key = nullptr;
    hold.call_id.clear();
    hold.counters.clear();
    free_holds_.push_back(static_cast<std::uint32_t>(&hold - holds_.data()));
}

Result<void> Ledger::State::record_hold(Hold& hold, HoldRequest& request) {
    if (!request.idempotency_key) {
        return {};
    }
    const internal::HoldRecord record{hold.serial, hold.payer, request.max,
        *request.idempotency_key, request.expires.value, request.request_digest, request.call_id};
    TRY(hold.sequence, write(RecordType::hold, record, LogUse::opening));
    auto& node = book_.add_key(std::move(*request.idempotency_key),
        {CallState::held, request.request_digest, request.call_id, std::nullopt, request.expires});
    book_.mark_dirty(node);
    hold.key = &node;
    hold.key_before_run = request.key_before_run;
    return {};
}

Result<HoldId> Ledger::State::hold(HoldRequest& request) {
    TRY_VOID(check_open());
    TRY_VOID(check_shape(request));
    TRY_VOID(check_key(request));
    PayerEntry* payer = book_.find_payer(request.payer.text);
    if (payer == nullptr) {
        return fail(PaymentError::unknown_payer, request.payer.text);
    }
    if (payer->record.chain.asset != request.asset) {
        return fail(CommonError::invalid_input, "the payer's money is in another asset");
    }
    TRY_VOID(check_money(*payer, request.max));
    TRY_VOID(check_counters(request));
    if (running() >= settings_.max_holds) {
        return fail(PaymentError::overloaded, "too many calls are running");
    }
    if (log_->statistics().disk_full) {
        return fail(CommonError::disk_full, "no room for the ledger's log");
    }
    HoldId id;
    Hold& hold = make_hold(id);
    hold.payer = payer->record.index;
    if (auto recorded = record_hold(hold, request); !recorded) {
        end(hold);
        return fail(recorded.error());
    }
    hold.held = request.max;
    hold.call_id = std::move(request.call_id);
    book_.change(*payer, [&] { payer->held = Amount(payer->held.units() + request.max.units()); });
    for (const CounterClaim& claim : request.counters) {
        CounterEntry* counter = book_.find_counter(claim.key);
        if (counter == nullptr) {
            counter = &book_.make_counter(claim);
        }
        ++counter->running;
        hold.counters.push_back({counter, claim.limit});
    }
    return id;
}

async::Task<Result<void>> Ledger::State::lease(internal::PayerIndex index, Amount want) {
    PayerEntry& payer = book_.payer(index);
    if (payer.leasing) {
        while (payer.leasing) {
            leased_.reset();
            CO_TRY_VOID(co_await leased_.wait(kLeaseTimeout));
        }
        co_return Result<void>{};
    }
    payer.leasing = true;
    const Amount limit = payer.record.chain.reserved.saturating_minus(payer.record.adopted);
    const auto granted = co_await engine_.lease(payer.record.payer, want, limit);
    payer.leasing = false;
    if (granted) {
        payer.granted = std::max(payer.granted, *granted);
    }
    leased_.set();
    return_slice(payer);
    if (!granted) {
        co_return fail(granted.error());
    }
    co_return Result<void>{};
}

void Ledger::State::lease_ahead(const PayerEntry& payer) {
    if (payer.record.chain.is_final) {
        return_slice(payer);
        return;
    }
    const Amount half(settings_.slice.units() / 2);
    if (payer.leasing || closing_ || payer.slice_left() >= half ||
        payer.unspent() <= payer.slice_left()) {
        return;
    }
    const internal::PayerIndex index = payer.record.index;
    tasks_.spawn([](State* self, internal::PayerIndex which) -> async::Task<void> {
        // A failure shows when a call needs the slice and asks for it itself.
        static_cast<void>(co_await self->lease(which, self->settings_.slice));
    }(this, index));
}

std::optional<Result<HoldId>> Ledger::State::try_acquire(HoldRequest& request) {
    auto held = hold(request);
    if (!held && (held.error() == make_error_code(PaymentError::slice_exhausted) ||
                     held.error() == make_error_code(CommonError::unavailable))) {
        return std::nullopt;
    }
    return held;
}

async::Task<Result<HoldId>> Ledger::State::acquire(HoldRequest request) {
    constexpr int kLeases = 4;
    Patience patience;
    int leases = 0;
    while (true) {
        auto held = hold(request);
        if (held) {
            co_return held;
        }
        if (held.error() == make_error_code(PaymentError::slice_exhausted) && leases < kLeases) {
            ++leases;
            const PayerEntry& payer = *book_.find_payer(request.payer.text);
            const Amount want = std::max(request.max, settings_.slice);
            CO_TRY_VOID(co_await lease(payer.record.index, want));
        } else if (held.error() == make_error_code(CommonError::unavailable) && patience.lasts()) {
            co_await async::delay(kLogRetry);
        } else {
            co_return held;
        }
    }
}

Result<void> Ledger::State::record_served(Hold& hold) {
    if (hold.served == hold.held || is_served_ahead(hold)) {
        return {};
    }
    const internal::ServedRecord record{hold.serial, hold.payer, hold.held};
    TRY(hold.sequence, write(RecordType::served, record, LogUse::opening));
    hold.served = hold.held;
    if (hold.key != nullptr) {
        hold.key->second.entry.state = CallState::served;
    }
    return {};
}

bool Ledger::State::is_served_ahead(Hold& hold) {
    if (hold.key != nullptr || hold.served) {
        return false;
    }
    const auto record = ahead_.wanted(
        hold.serial, next_hold_, hold.held, running(), log_->is_durable(ahead_.newest()));
    if (record) {
        // Without room for it, each call says it for itself.
        if (const auto sequence = write(RecordType::served_ahead, *record, LogUse::opening)) {
            ahead_.written(*record, *sequence);
            if (!watching_ahead_) {
                watching_ahead_ = true;
                tasks_.spawn(stop_serving_ahead_when_idle());
            }
        }
    }
    const auto sequence = ahead_.sequence_for(hold.serial, hold.held);
    if (sequence) {
        hold.sequence = *sequence;
        hold.served = hold.held;
    }
    return sequence.has_value();
}

void Ledger::State::stop_serving_ahead() {
    if (ahead_.is_open()) {
        // Should it not reach the log, a restart counts some calls too many.
        static_cast<void>(write(RecordType::served_ahead,
            internal::ServedAheadRecord{next_hold_, next_hold_ - 1, {}}, LogUse::closing));
        ahead_.stop();
    }
}

async::Task<void> Ledger::State::stop_serving_ahead_when_idle() {
    internal::HoldSerial seen = 0;
    while (!closing_ && ahead_.is_open() && seen != next_hold_) {
        seen = next_hold_;
        co_await async::delay(kAheadIdle);
    }
    watching_ahead_ = false;
    if (!closing_) {
        stop_serving_ahead();
    }
}

Result<std::uint64_t> Ledger::State::write_served(HoldId id) {
    TRY_VOID(check_open());
    TRY(Hold * hold, find(id));
    TRY_VOID(record_served(*hold));
    return hold->sequence;
}

/// `write_served` for a log that is not ready; the hold may end while this waits.
async::Task<Result<std::uint64_t>> Ledger::State::write_served_patiently(HoldId id) {
    Patience patience;
    while (true) {
        auto written = write_served(id);
        if (written || written.error() != make_error_code(CommonError::unavailable) ||
            !patience.lasts()) {
            co_return written;
        }
        co_await async::delay(kLogRetry);
    }
}

bool Ledger::State::try_begin(HoldId id) {
    const auto written = write_served(id);
    if (!written) {
        return false;
    }
    const Hold& hold = **find(id);
    if (hold.key != nullptr && hold.key_before_run) {
        return false;
    }
    log_->hasten(*written, running());
    return true;
}

bool Ledger::State::try_served(HoldId id) {
    const auto written = write_served(id);
    return written && log_->is_durable(*written);
}

async::Task<Result<void>> Ledger::State::begin(HoldId id) {
    auto written = write_served(id);
    if (!written) {
        written = co_await write_served_patiently(id);
    }
    CO_TRY(const std::uint64_t sequence, written);
    CO_TRY(const Hold* hold, find(id));
    if (hold->key != nullptr && hold->key_before_run) {
        co_return co_await log_->durable(sequence);
    }
    log_->hasten(sequence, running());
    co_return Result<void>{};
}

async::Task<Result<void>> Ledger::State::served(HoldId id) {
    auto written = write_served(id);
    if (!written) {
        written = co_await write_served_patiently(id);
    }
    CO_TRY(const std::uint64_t sequence, written);
    if (log_->is_durable(sequence)) {
        co_return Result<void>{};
    }
    co_return co_await log_->durable(sequence, running());
}

Result<void> Ledger::State::define_counters(const Hold& hold) {
    for (const HeldCounter& counter : hold.counters) {
        if (!counter.entry->defined) {
            internal::CounterRecord record = counter.entry->record;
            record.index = book_.next_counter();
            TRY_VOID(write(RecordType::counter, record, LogUse::closing));
            TRY_VOID(book_.apply(record));
        }
    }
    return {};
}

internal::FinishedRecord Ledger::State::finished_record(
    const Hold& hold, Amount actual, CallRecord call, bool goes_on) {
    internal::FinishedRecord record;
    record.serial = hold.serial;
    record.goes_on = goes_on;
    record.receipt_serial = book_.next_receipt();
    record.receipt = receipt_ids_->make(record.receipt_serial);
    record.payer = hold.payer;
    record.amount = actual;
    record.calls = calls_for(actual, book_.payer(hold.payer).record.chain.price);
    record.time = now();
    record.call_id = hold.call_id;
    record.call = std::move(call);
    if (counts(hold, goes_on)) {
        for (const HeldCounter& counter : hold.counters) {
            record.counters.push_back(counter.entry->record.index);
        }
    }
    return record;
}

Result<ReceiptId> Ledger::State::commit(HoldId id, Amount actual, CallRecord call, bool goes_on) {
    TRY_VOID(check_open());
    TRY(Hold * hold, find(id));
    if (actual > hold->held) {
        return fail(PaymentError::exceeds_hold,
            fmt::format("{} of {}", to_string(actual), to_string(hold->held)));
    }
    if (call.service.size() > kMaxService || call.subject.size() > kMaxSubject) {
        return fail(CommonError::invalid_input, "a call record's names are too long");
    }
    PayerEntry& payer = book_.payer(hold->payer);
    if (counts(*hold, goes_on)) {
        TRY_VOID(define_counters(*hold));
    }
    const auto record = finished_record(*hold, actual, std::move(call), goes_on);
    TRY(const std::uint64_t sequence, write_finished(record));
    const Amount back = goes_on ? actual : hold->held;
    book_.change(payer, [&] { payer.held = payer.held.saturating_minus(back); });
    TRY_VOID(book_.apply(record, encoder_.view(), hold->key));
    hold->sequence = sequence;
    hold->held = hold->held.saturating_minus(actual);
    if (!goes_on) {
        end(*hold);
    } else if (counts(*hold, goes_on)) {
        --hold->claims;
        for (const HeldCounter& counter : hold->counters) {
            --counter.entry->running;
        }
    }
    lease_ahead(payer);
    return record.receipt;
}

Result<void> Ledger::State::release(HoldId id, ReleaseReason reason) {
    TRY_VOID(check_open());
    TRY(Hold * hold, find(id));
    if (hold->sequence != 0) {
        // Should it not reach the log, recovery releases the call all the same.
        static_cast<void>(write(
            RecordType::released, internal::ReleasedRecord{hold->serial, reason}, LogUse::closing));
    }
    if (hold->key != nullptr) {
        hold->key->second.entry.state = CallState::released;
        book_.mark_dirty(*hold->key);
    }
    PayerEntry& payer = book_.payer(hold->payer);
    book_.change(payer, [&] { payer.held = payer.held.saturating_minus(hold->held); });
    end(*hold);
    return_slice(payer);
    return {};
}

async::Task<Result<void>> Ledger::State::flush() {
    const std::uint64_t sequence = last_sequence_;
    co_return co_await log_->durable(sequence);
}

}  // namespace decloud::payments
