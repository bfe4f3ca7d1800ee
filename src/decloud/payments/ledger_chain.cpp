#include "channel_directory.hpp"
#include "internal/ledger_state.hpp"
#include "ledger.hpp"

#include <decloud/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::payments {

using internal::PayerEntry;
using internal::PayerRecord;
using internal::RecordType;
using store::LogUse;

namespace {

constexpr std::size_t kMaxPayer = 128;
constexpr std::size_t kMaxOwner = 128;
constexpr std::size_t kMaxAsset = 256;
/// Rows on their way at once; more than that means that nothing becomes final.
constexpr std::size_t kMaxSentRows = 4096;
/// Why a channel is stopped that a reorganisation removed; ends when the chain shows it again.
constexpr std::string_view kMissing = "the channel is not on the chain any more";

bool same_but_block(const ChannelState& a, const ChannelState& b) {
    return a.asset == b.asset && a.owner == b.owner && a.reserved == b.reserved &&
           a.claimed_on_chain == b.claimed_on_chain && a.calls_on_chain == b.calls_on_chain &&
           a.price == b.price && a.signer == b.signer && a.closing == b.closing &&
           a.is_final == b.is_final;
}

/// The chain has more than the log knows: it counts as spent, by somebody else.
void adopt(PayerRecord& record) {
    const ChannelState& chain = record.chain;
    const Amount more = chain.claimed_on_chain.saturating_minus(record.spent.amount);
    record.adopted = Amount(record.adopted.units() + more.units());
    record.spent.amount = std::max(record.spent.amount, chain.claimed_on_chain);
    record.spent.calls = std::max(record.spent.calls, chain.calls_on_chain);
    record.sent.amount = std::max(record.sent.amount, chain.claimed_on_chain);
    record.sent.calls = std::max(record.sent.calls, chain.calls_on_chain);
}

SettlementRow row_of(const PayerRecord& record) {
    const bool by_voucher = !record.chain.signer.is_zero();
    return {record.payer, record.chain.asset, by_voucher ? 0 : record.spent.calls,
        record.spent.amount, record.voucher};
}

bool sent_before(const PayerRecord& record, const ChannelState& chain) {
    return std::ranges::any_of(record.sent_rows, [&](const Spent& row) {
        return row.amount == chain.claimed_on_chain && row.calls == chain.calls_on_chain;
    });
}

}  // namespace

void Ledger::State::adopt_or_stop(
    const PayerEntry& payer, PayerRecord& record, const ChannelState& state, ChainMove move) const {
    const ChannelState before = record.chain;
    const bool is_new = book_.find_payer(record.payer.text) == nullptr;
    const bool went_back = state.claimed_on_chain < before.claimed_on_chain ||
                           state.calls_on_chain < before.calls_on_chain;
    record.chain = state;
    if (went_back && move == ChainMove::rolled_back) {
        // The row that was undone may come again, and is due again.
        record.sent_rows.insert(
            record.sent_rows.begin(), {before.calls_on_chain, before.claimed_on_chain});
        return;
    }
    if (went_back) {
        record.chain.claimed_on_chain = before.claimed_on_chain;
        record.chain.calls_on_chain = before.calls_on_chain;
        record.stopped =
            fmt::format("block {} says {} is claimed, {} was final before: is this another chain?",
                state.block, to_string(state.claimed_on_chain), to_string(before.claimed_on_chain));
        return;
    }
    const bool moved = state.claimed_on_chain != before.claimed_on_chain ||
                       state.calls_on_chain != before.calls_on_chain;
    if (payer.heard && !is_new && moved && !sent_before(record, state)) {
        record.stopped = fmt::format(
            "block {} has a row of {} calls and {} that this node never sent: is another node "
            "using the same account?",
            state.block, state.calls_on_chain, to_string(state.claimed_on_chain));
    }
    adopt(record);
    std::erase_if(record.sent_rows, [&](const Spent& row) {
        return row.amount <= state.claimed_on_chain && row.calls <= state.calls_on_chain;
    });
}

Result<void> Ledger::State::write_payer(const PayerRecord& record) {
    TRY_VOID(write(RecordType::payer, record, LogUse::closing));
    return book_.apply(record);
}

Result<void> Ledger::State::record_chain(PayerAccount account, ChannelState state, ChainMove move) {
    TRY_VOID(check_open());
    if (account.text.empty() || account.text.size() > kMaxPayer || state.owner.size() > kMaxOwner ||
        state.asset.text.size() > kMaxAsset) {
        return fail(CommonError::invalid_input, "a payer's names are empty or too long");
    }
    PayerEntry* payer = book_.find_payer(account.text);
    if (payer != nullptr && payer->record.chain.asset != state.asset) {
        return fail(CommonError::invalid_input, "a payer's asset does not change");
    }
    const bool was_missing = payer != nullptr && payer->record.stopped == kMissing;
    if (was_missing) {
        move = ChainMove::rolled_back;
    }
    if (payer != nullptr && state.block < payer->record.chain.block && move == ChainMove::forward) {
        // An answer that was overtaken.
        return {};
    }
    if (payer != nullptr && same_but_block(payer->record.chain, state) && !was_missing) {
        payer->record.chain.block = state.block;
        confirm_chain(payer->record.payer);
        return {};
    }
    const PayerEntry nobody;
    const PayerEntry& known = payer == nullptr ? nobody : *payer;
    PayerRecord record = known.record;
    if (payer == nullptr) {
        record.index = book_.next_payer();
        record.payer = std::move(account);
    }
    if (was_missing) {
        record.stopped.clear();
    }
    const bool was_served = record.stopped.empty();
    adopt_or_stop(known, record, state, move);
    if (was_served && !record.stopped.empty()) {
        log::error("payments", "{} is not served any more: {}", record.payer.text, record.stopped);
    }
    TRY_VOID(write_payer(record));
    if (move == ChainMove::rolled_back) {
        book_.payer(record.index).sent_at = 0;
    }
    confirm_chain(record.payer);
    return {};
}

Result<void> Ledger::State::record_missing(const PayerAccount& account) {
    TRY_VOID(check_open());
    const PayerEntry* payer = book_.find_payer(account.text);
    if (payer == nullptr) {
        return {};
    }
    if (payer->record.stopped.empty()) {
        log::error("payments", "{} is not served any more: {}", account.text, kMissing);
        PayerRecord record = payer->record;
        record.stopped = kMissing;
        TRY_VOID(write_payer(record));
    }
    confirm_chain(account);
    return {};
}

void Ledger::State::confirm_chain(const PayerAccount& account) {
    if (PayerEntry* payer = book_.find_payer(account.text)) {
        payer->heard = true;
        return_slice(*payer);
    }
}

void Ledger::State::return_slice(const PayerEntry& payer) {
    const bool may = payer.record.chain.is_final && payer.held.is_zero() && !payer.leasing &&
                     !closing_ && !payer.slice_left().is_zero();
    if (may) {
        tasks_.spawn(give_back(payer.record.index));
    }
}

async::Task<void> Ledger::State::give_back(internal::PayerIndex index) {
    PayerEntry& payer = book_.payer(index);
    if (payer.leasing || !payer.record.chain.is_final || !payer.held.is_zero()) {
        co_return;
    }
    payer.leasing = true;
    const Amount unspent = payer.slice_left();
    // Nothing is held from it any longer, should the channel come back while this waits.
    payer.granted = payer.granted.saturating_minus(unspent);
    const auto granted = co_await engine_.give_back(payer.record.payer, unspent);
    payer.leasing = false;
    if (!granted) {
        payer.granted = Amount(payer.granted.units() + unspent.units());
        log::warning("payments", "a slice of {} was not given back: {}", payer.record.payer.text,
            granted.error().message());
    }
    leased_.set();
}

Result<void> Ledger::State::resume_payer(const PayerAccount& account) {
    TRY_VOID(check_open());
    const PayerEntry* payer = book_.find_payer(account.text);
    if (payer == nullptr) {
        return fail(PaymentError::unknown_payer, account.text);
    }
    PayerRecord record = payer->record;
    record.stopped.clear();
    return write_payer(record);
}

async::Task<Result<void>> Ledger::State::note_sent_rows(std::vector<SettlementRow> rows) {
    CO_TRY_VOID(check_open());
    for (const SettlementRow& row : rows) {
        PayerEntry* payer = book_.find_payer(row.payer.text);
        if (payer == nullptr) {
            co_return fail(PaymentError::unknown_payer, row.payer.text);
        }
        const Spent& spent = payer->record.spent;
        if (row.amount > spent.amount || row.calls > spent.calls) {
            co_return fail(CommonError::invalid_input, "a row claims more than was spent");
        }
        const auto& sent = payer->record.sent_rows;
        const bool known = std::ranges::any_of(sent, [&](const Spent& other) {
            return other.amount == row.amount && other.calls == row.calls;
        });
        if (!known) {
            if (sent.size() >= kMaxSentRows) {
                co_return fail(PaymentError::overloaded, "too many rows are not final yet");
            }
            const internal::SentRowRecord record{payer->record.index, {row.calls, row.amount}};
            CO_TRY_VOID(write(RecordType::sent_row, record, LogUse::closing));
            CO_TRY_VOID(book_.apply(record));
        }
        payer->sent_at = now().value;
    }
    co_return co_await flush();
}

Result<void> Ledger::State::accept(const PayerAccount& account, const AcceptedVoucher& voucher) {
    TRY_VOID(check_open());
    const PayerEntry* payer = book_.find_payer(account.text);
    if (payer == nullptr) {
        return fail(PaymentError::unknown_payer, account.text);
    }
    const PayerRecord& known = payer->record;
    const bool lower = known.voucher && (voucher.cumulative < known.voucher->cumulative ||
                                            voucher.first_sequence < known.voucher->first_sequence);
    if (known.chain.signer.is_zero() || lower) {
        return fail(CommonError::invalid_input, "a voucher is lower than the one before");
    }
    if (known.voucher == voucher) {
        return {};
    }
    const internal::VoucherRecord record{known.index, voucher};
    TRY_VOID(write(RecordType::voucher, record, LogUse::opening));
    return book_.apply(record);
}

std::vector<SettlementRow> Ledger::State::settlement_due(
    UnixSeconds time, const SettlementThresholds& thresholds) {
    const auto older = [&](std::uint64_t since, std::chrono::seconds age) {
        return since + static_cast<std::uint64_t>(age.count()) <= time.value;
    };
    std::vector<SettlementRow> rows;
    for (const internal::PayerIndex index : book_.unsettled()) {
        const PayerEntry& payer = book_.payer(index);
        const PayerRecord& record = payer.record;
        if (!payer.heard || !record.stopped.empty() || record.chain.is_final) {
            continue;
        }
        const Amount unsent = record.spent.amount.saturating_minus(record.sent.amount);
        const bool wanted =
            !unsent.is_zero() && (unsent >= thresholds.payer_amount || record.chain.closing ||
                                     older(payer.unsent_since, thresholds.age));
        // Trials are counted in calls.
        const bool worth =
            record.chain.asset.text == kTrialAsset ||
            is_worth_claiming(record.spent.amount.saturating_minus(record.chain.claimed_on_chain),
                thresholds.row_cost);
        const bool lost =
            !record.sent_rows.empty() && older(payer.sent_at, thresholds.resend_after);
        if ((wanted && worth) || lost) {
            rows.push_back(row_of(record));
        }
    }
    return rows;
}

std::vector<SettlementRow> Ledger::State::unsettled() {
    std::vector<SettlementRow> rows;
    for (const internal::PayerIndex index : book_.unsettled()) {
        const PayerRecord& record = book_.payer(index).record;
        if (record.stopped.empty() && !record.chain.is_final) {
            rows.push_back(row_of(record));
        }
    }
    return rows;
}

Amount Ledger::State::spendable(const PayerEntry& payer) const {
    const PayerRecord& record = payer.record;
    if (!record.stopped.empty() || record.chain.closing || record.chain.is_final) {
        return {};
    }
    Amount least = std::min(
        payer.unspent(), settings_.max_exposure_per_payer.saturating_minus(payer.exposure()));
    for (std::uint32_t at = payer.group; at < book_.groups().size();) {
        const internal::ExposureGroup& group = book_.group(at);
        const Amount limit =
            group.owner.empty() ? settings_.max_exposure : settings_.max_exposure_per_owner;
        least = std::min(least, limit.saturating_minus(group.amount));
        at = group.whole;
    }
    return least;
}

PayerView Ledger::State::view(const PayerEntry& payer) const {
    const PayerRecord& record = payer.record;
    PayerView view{record.payer, record.chain, record.spent, payer.held, spendable(payer),
        record.sent, record.voucher, std::nullopt, record.stopped == kMissing};
    if (!record.stopped.empty()) {
        view.stopped = record.stopped;
    } else if (record.chain.is_final || record.chain.closing) {
        view.stopped = record.chain.is_final ? "the channel is closed" : "the channel is closing";
    }
    return view;
}

std::map<AssetId, Exposure> Ledger::State::exposure() const {
    std::map<AssetId, Exposure> sums;
    for (const internal::ExposureGroup& group : book_.groups()) {
        if (group.owner.empty()) {
            sums[group.asset] = {group.amount, settings_.max_exposure};
        }
    }
    return sums;
}

}  // namespace decloud::payments
