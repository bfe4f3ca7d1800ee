#include "debts.hpp"

#include "internal/repayment.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>

#include <algorithm>
#include <utility>

namespace decloud::payments {

using protocol::Checked;
using protocol::Promise;
using protocol::Status;

namespace {

constexpr std::string_view kRecords = "promise/";
constexpr std::uint64_t kDueTogetherSeconds = 60;
constexpr std::size_t kMaxTranches = 64;
/// For what is owed since nobody knows when.
constexpr std::uint64_t kUnrecordedSeconds = 3600;
constexpr std::uint64_t kMaxRecord = 64 * kKiB;

std::unexpected<protocol::Problem> no_defer(std::string detail, std::string help) {
    return std::unexpected(protocol::payment_required(
        Status::payment_no_defer, std::move(detail), std::move(help), {}));
}

Amount sum(Amount one, Amount other) { return Amount(one.units() + other.units()); }

Result<Amount> amount_member(const json::Object& object, const char* key) {
    TRY(const std::string text, json::string_member(object, key));
    return parse_amount(text);
}

}  // namespace

PayerAccount promise_account(std::string_view id) {
    return {std::string(internal::kPromisePrefix) + std::string(id)};
}

Debts::Debts(DebtsContext context, DebtsSettings settings)
    : context_(std::move(context)), settings_(std::move(settings)), tasks_(context_.executor) {}

Debts::~Debts() = default;

Bytes Debts::format(const Debtor& debtor) {
    json::Array tranches;
    for (const Tranche& tranche : debtor.tranches) {
        tranches.emplace_back(json::Object{{"from", to_string(tranche.from)},
            {"due", tranche.due.value}, {"broken", tranche.broken}});
    }
    return to_bytes(json::to_text(json::Object{{"version", 1}, {"tranches", std::move(tranches)},
        {"threshold", to_string(debtor.threshold)}, {"kept", debtor.kept},
        {"broken", debtor.broken}}));
}

Result<Debts::Debtor> Debts::parse(BytesView text) {
    TRY(const json::Value value, json::parse(as_text(text), {.max_bytes = kMaxRecord}));
    if (!value.is_object()) {
        return fail(CommonError::corrupt, "a record of promises");
    }
    const json::Object& object = value.as_object();
    TRY(const std::uint64_t version, json::uint_member(object, "version"));
    if (version != 1) {
        return fail(CommonError::corrupt, "a record of promises of a newer form");
    }
    Debtor out;
    TRY(out.threshold, amount_member(object, "threshold"));
    TRY(out.kept, json::uint_member(object, "kept"));
    TRY(out.broken, json::uint_member(object, "broken"));
    TRY(const json::Array tranches, json::array_member(object, "tranches"));
    for (const json::Value& each : tranches) {
        if (!each.is_object()) {
            return fail(CommonError::corrupt, "a record of promises");
        }
        Tranche tranche;
        TRY(tranche.from, amount_member(each.as_object(), "from"));
        TRY(tranche.due.value, json::uint_member(each.as_object(), "due"));
        TRY(tranche.broken, json::bool_member(each.as_object(), "broken"));
        out.tranches.push_back(tranche);
    }
    return out;
}

async::Task<Result<void>> Debts::start() {
    store::RecordStore& records = context_.records;
    CO_TRY(const auto all,
        co_await async::offload(pool_, [&records] { return records.list(kRecords); }));
    for (const auto& [key, value] : all) {
        CO_TRY(Debtor debtor, parse(value));
        debtors_.emplace(key.substr(kRecords.size()), std::move(debtor));
    }
    find_unrecorded();
    co_await review();
    co_return Result<void>{};
}

/// A kill may have come after the call and before its record.
void Debts::find_unrecorded() {
    const std::uint64_t now = context_.clock.unix_seconds().value;
    for (const PayerView& view : context_.ledger.payers()) {
        const Amount paid = view.chain.claimed_on_chain;
        if (!view.payer.text.starts_with(internal::kPromisePrefix) || view.spent.amount <= paid) {
            continue;
        }
        const std::string id = view.payer.text.substr(internal::kPromisePrefix.size());
        if (const auto [found, is_new] = debtors_.try_emplace(id); is_new) {
            found->second.tranches.push_back({.from = paid, .due = {now + kUnrecordedSeconds}});
            save_later(id);
        }
    }
}

async::Task<void> Debts::review() {
    // Payments that come late, when their call has long ended, are seen here.
    Amount all = acquiring_;
    for (auto& [id, debtor] : debtors_) {
        if (bring_up_to_date(id, debtor)) {
            save_later(id);
        }
        const Debt debt = describe(id, debtor);
        all = sum(all, sum(debt.owed(), debt.held));
    }
    total_ = all;
    co_return;
}

async::Task<void> Debts::stop() { co_await tasks_.join(); }

Debt Debts::describe(const std::string& id, const Debtor& debtor) const {
    Debt out{.id = id, .currency = settings_.asset};
    if (const auto view = context_.ledger.payer(promise_account(id))) {
        out.promised = view->spent.amount;
        out.paid = view->chain.claimed_on_chain;
        out.held = view->held;
    }
    if (!debtor.tranches.empty() && !out.owed().is_zero()) {
        out.due = debtor.tranches.front().due;
    }
    out.threshold = debtor.threshold;
    out.kept = debtor.kept;
    out.broken = debtor.broken;
    return out;
}

bool Debts::bring_up_to_date(const std::string& id, Debtor& debtor) {
    const Debt debt = describe(id, debtor);
    const UnixSeconds now = context_.clock.unix_seconds();
    bool changed = false;
    while (!debtor.tranches.empty()) {
        Tranche& oldest = debtor.tranches.front();
        const bool is_last = debtor.tranches.size() == 1;
        const Amount end = is_last ? debt.promised : debtor.tranches[1].from;
        const bool is_empty = end <= oldest.from;
        const bool is_open = is_last && (is_empty || !debt.held.is_zero());
        if (debt.paid >= end && !is_open) {
            debtor.kept += is_empty || oldest.broken ? 0 : 1;
            debtor.tranches.pop_front();
            changed = true;
            continue;
        }
        if (!oldest.broken && debt.paid < end && oldest.due < now) {
            oldest.broken = true;
            ++debtor.broken;
            changed = true;
            log::warning("payments", "{} has broken its promise: {} were due at {}", id,
                to_string(end.saturating_minus(debt.paid)), oldest.due.value);
        }
        break;
    }
    return changed;
}

Debt Debts::find(std::string_view id) {
    const auto found = debtors_.find(id);
    if (found == debtors_.end()) {
        return {.id = std::string(id), .currency = settings_.asset};
    }
    if (bring_up_to_date(found->first, found->second)) {
        save_later(found->first);
    }
    return describe(found->first, found->second);
}

std::vector<Debt> Debts::list() {
    std::vector<Debt> out;
    out.reserve(debtors_.size());
    for (const auto& [id, debtor] : debtors_) {
        out.push_back(find(id));
    }
    return out;
}

Checked<void> Debts::check(
    const Promise& promise, Amount price, const protocol::PromiseLimits& limits) {
    const Debt debt = find(promise.id);
    if (debt.broken > 0) {
        return no_defer(promise.id + " has broken a promise to this node", "attach a payment");
    }
    const std::uint64_t now = context_.clock.unix_seconds().value;
    const auto most = static_cast<std::uint64_t>(limits.time.count());
    if (promise.due.value <= now || promise.due.value > now + most) {
        return no_defer("due must lie at most " + std::to_string(most) + " seconds ahead",
            "promise to pay sooner");
    }
    const Amount owed = sum(debt.owed(), debt.held);
    if (price > limits.per_id.saturating_minus(owed)) {
        return no_defer("what " + promise.id + " owes would pass " + to_string(limits.per_id) +
                            ": it owes " + to_string(owed) + " already",
            "pay it by payment.repay, or attach a payment");
    }
    if (price > limits.total.saturating_minus(total_)) {
        return no_defer("this node takes no more promises now", "attach a payment");
    }
    if (!debtors_.contains(promise.id) && !make_room()) {
        return no_defer("this node takes no promises of further ids", "attach a payment");
    }
    return {};
}

bool Debts::make_room() {
    if (debtors_.size() < settings_.max_ids) {
        return true;
    }
    return std::erase_if(debtors_, [this](const auto& entry) {
        const Debt debt = describe(entry.first, entry.second);
        return debt.broken == 0 && debt.owed().is_zero() && debt.held.is_zero();
    }) > 0;
}

async::Task<Result<HoldId>> Debts::acquire(std::string id, Amount limit, HoldRequest request) {
    const PayerAccount account = promise_account(id);
    ChannelState state;
    state.asset = settings_.asset;
    state.owner = id;
    if (const auto known = context_.ledger.payer(account)) {
        state = known->chain;
    }
    state.reserved = sum(state.claimed_on_chain, limit);
    CO_TRY_VOID(context_.ledger.record_chain(account, std::move(state)));
    request.payer = account;
    request.asset = settings_.asset;
    const Amount held = request.max;
    // Beforehand, so that calls that wait for the ledger together do not pass the total.
    total_ = sum(total_, held);
    acquiring_ = sum(acquiring_, held);
    auto hold = co_await context_.ledger.acquire(std::move(request));
    acquiring_ = acquiring_.saturating_minus(held);
    if (!hold) {
        ended(held, {});
    }
    co_return hold;
}

void Debts::ended(Amount held, Amount charged) {
    total_ = sum(total_.saturating_minus(held), charged);
}

async::Task<Result<void>> Debts::note(Promise promise) {
    Debtor& debtor = debtors_[promise.id];
    bool changed = bring_up_to_date(promise.id, debtor);
    if (debtor.threshold != promise.threshold) {
        debtor.threshold = promise.threshold;
        changed = true;
    }
    auto& tranches = debtor.tranches;
    // What is paid pays the oldest first.
    for (Tranche& tranche : tranches) {
        if (!tranche.broken && tranche.due > promise.due) {
            tranche.due = promise.due;
            changed = true;
        }
    }
    const auto is_near = [&promise](const Tranche& newest) {
        const auto [first, last] = std::minmax(newest.due.value, promise.due.value);
        return last - first <= kDueTogetherSeconds;
    };
    if (tranches.empty() || (!is_near(tranches.back()) && tranches.size() < kMaxTranches)) {
        const Amount from = describe(promise.id, debtor).promised;
        tranches.push_back({.from = from, .due = promise.due});
        changed = true;
    }
    if (!changed) {
        co_return Result<void>{};
    }
    co_return co_await save(promise.id);
}

async::Task<Result<void>> Debts::save(std::string id) {
    const auto found = debtors_.find(id);
    if (found == debtors_.end()) {
        co_return Result<void>{};
    }
    store::RecordStore& records = context_.records;
    co_return co_await async::offload(
        pool_, [&records, key = std::string(kRecords) + id, value = format(found->second)] {
            return records.put(key, value);
        });
}

void Debts::save_later(const std::string& id) {
    tasks_.spawn([](Debts& debts, std::string whose) -> async::Task<void> {
        if (const auto saved = co_await debts.save(whose); !saved) {
            // It is found again from the ledger at the next look.
            log::warning("payments", "what is known of {} is not on disk: {}", whose,
                saved.error().message());
        }
    }(*this, id));
}

async::Task<Result<Debt>> Debts::forgive(std::string id) {
    const auto found = debtors_.find(id);
    if (found == debtors_.end()) {
        co_return fail(CommonError::not_found, id + " has promised nothing to this node");
    }
    const Debt before = find(id);
    if (found->second.repaying || !before.held.is_zero()) {
        co_return fail(CommonError::unavailable, id + " is calling or paying right now");
    }
    const PayerAccount account = promise_account(id);
    if (const auto view = context_.ledger.payer(account); view && !before.owed().is_zero()) {
        found->second.repaying = true;
        ChannelState state = view->chain;
        state.claimed_on_chain = view->spent.amount;
        state.calls_on_chain = view->spent.calls;
        auto done = co_await context_.ledger.note_sent_rows(
            {SettlementRow{account, settings_.asset, view->spent.calls, view->spent.amount}});
        if (done) {
            done = context_.ledger.record_chain(account, std::move(state));
        }
        found->second.repaying = false;
        CO_TRY_VOID(std::move(done));
    }
    found->second.tranches.clear();
    found->second.broken = 0;
    total_ = total_.saturating_minus(before.owed());
    CO_TRY_VOID(co_await save(id));
    CO_TRY_VOID(co_await context_.ledger.flush());
    co_return find(id);
}

Checked<std::unique_ptr<Repayment>> Debts::repay(
    std::string id, Amount amount, Amount paid_before) {
    const Debt debt = find(id);
    const auto refuse = [](std::string detail) {
        return protocol::refuse(409, Status::declined, std::move(detail),
            "ask payment.debts what is owed; nothing was charged");
    };
    const auto found = debtors_.find(id);
    if (found == debtors_.end() || amount.is_zero() || amount > debt.owed()) {
        return refuse(id + " owes " + to_string(debt.owed()) + ", not " + to_string(amount));
    }
    if (paid_before != debt.paid) {
        return refuse(to_string(debt.paid) + " were paid before, not " + to_string(paid_before));
    }
    if (std::exchange(found->second.repaying, true)) {
        return refuse("another payment of this debt is on its way");
    }
    return std::make_unique<Repayment>([this, id = std::move(id), before = debt.paid] {
        const auto debtor = debtors_.find(id);
        if (debtor == debtors_.end()) {
            return;
        }
        debtor->second.repaying = false;
        const Debt after = find(id);
        total_ = total_.saturating_minus(after.paid.saturating_minus(before));
    });
}

}  // namespace decloud::payments
