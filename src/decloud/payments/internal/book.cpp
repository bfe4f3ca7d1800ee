#include "book.hpp"

#include "finished_codec.hpp"
#include "repayment.hpp"

#include <decloud/store/error.hpp>

#include <algorithm>

namespace decloud::payments::internal {

namespace {

constexpr std::uint32_t kWhole = UINT32_MAX;

std::unexpected<Error> damaged(const char* what) { return fail(StoreError::damaged, what); }

}  // namespace

Amount PayerEntry::exposure() const {
    const Amount owed = record.spent.amount.saturating_minus(record.chain.claimed_on_chain);
    return Amount(owed.units() + held.units());
}

Amount PayerEntry::unspent() const {
    Amount allowed = record.chain.reserved;
    if (!record.chain.signer.is_zero()) {
        allowed = std::min(allowed, record.voucher ? record.voucher->cumulative : Amount());
    }
    return allowed.saturating_minus(record.spent.amount).saturating_minus(held);
}

Amount PayerEntry::slice_left() const {
    return granted.saturating_minus(own_spent()).saturating_minus(held);
}

Result<FinishedRecord> ReceiptBatch::record(std::uint64_t serial) const {
    if (serial < first || serial - first >= ends.size()) {
        return fail(CommonError::not_found, "no such receipt");
    }
    const std::size_t index = serial - first;
    const auto encoded = [this](std::size_t at) {
        const std::size_t begin = at == 0 ? 0 : ends[at - 1];
        return BytesView(records).subspan(begin, ends[at] - begin);
    };
    if (format == kWhole) {
        return decode<FinishedRecord>(encoded(index));
    }
    TRY(FinishedRecord record, decode_short(encoded(0), nullptr));
    for (std::size_t at = 1; at <= index; ++at) {
        TRY(record, decode_short(encoded(at), &record));
    }
    return record;
}

Book::Book() = default;

PayerEntry* Book::find_payer(std::string_view text) {
    const auto found = payer_by_text_.find(text);
    return found == payer_by_text_.end() ? nullptr : &payers_[found->second];
}

const PayerEntry* Book::find_payer(std::string_view text) const {
    const auto found = payer_by_text_.find(text);
    return found == payer_by_text_.end() ? nullptr : &payers_[found->second];
}

void Book::adjust_exposure(std::uint32_t group, Amount before, Amount after) {
    for (std::uint32_t at = group; at != kWhole; at = groups_[at].whole) {
        groups_[at].amount =
            Amount(groups_[at].amount.saturating_minus(before).units() + after.units());
    }
}

std::uint32_t Book::group_for(const std::string& owner, const AssetId& asset) {
    const auto found = group_by_owner_.find({owner, asset});
    if (found != group_by_owner_.end()) {
        return found->second;
    }
    const std::uint32_t whole = owner.empty() ? kWhole : group_for({}, asset);
    const auto index = static_cast<std::uint32_t>(groups_.size());
    groups_.push_back({owner, asset, {}, whole});
    group_by_owner_.emplace(std::pair(owner, asset), index);
    return index;
}

void Book::mark_dirty(PayerEntry& payer) {
    if (!payer.dirty) {
        payer.dirty = true;
        dirty_payers_.push_back(payer.record.index);
    }
}

void Book::mark_unsettled(PayerEntry& payer) {
    if (!payer.unsettled && payer.record.spent.amount > payer.record.chain.claimed_on_chain) {
        payer.unsettled = true;
        unsettled_.push_back(payer.record.index);
    }
}

const std::vector<PayerIndex>& Book::unsettled() {
    std::erase_if(unsettled_, [this](PayerIndex index) {
        PayerEntry& payer = payers_[index];
        payer.unsettled = payer.record.spent.amount > payer.record.chain.claimed_on_chain;
        return !payer.unsettled;
    });
    return unsettled_;
}

void Book::mark_dirty(CounterEntry& counter) {
    if (!counter.dirty) {
        counter.dirty = true;
        dirty_counters_.push_back(counter.record.index);
    }
}

void Book::mark_dirty(KeyNode& node) {
    if (!node.second.dirty) {
        node.second.dirty = true;
        dirty_keys_.push_back(node.first);
    }
}

CounterEntry* Book::find_counter(std::string_view key) {
    const auto found = counters_.find(key);
    return found == counters_.end() ? nullptr : &found->second;
}

const CounterEntry* Book::find_counter(std::string_view key) const {
    const auto found = counters_.find(key);
    return found == counters_.end() ? nullptr : &found->second;
}

CounterEntry& Book::make_counter(const CounterClaim& claim) {
    CounterEntry counter;
    counter.record.key = claim.key;
    counter.record.expires = claim.expires ? claim.expires->value : 0;
    if (counter.record.expires != 0) {
        counter_expiry_[counter.record.expires].push_back(claim.key);
    }
    return counters_.emplace(claim.key, std::move(counter)).first->second;
}

void Book::load_counter(CounterEntry counter) {
    counter.defined = true;
    next_counter_ = std::max(next_counter_, counter.record.index + 1);
    if (counter.record.expires != 0) {
        counter_expiry_[counter.record.expires].push_back(counter.record.key);
    }
    const CounterIndex index = counter.record.index;
    const std::string key = counter.record.key;
    counter_by_index_[index] = &counters_.emplace(key, std::move(counter)).first->second;
}

void Book::drop_expired_counters(UnixSeconds now) {
    while (!counter_expiry_.empty() && counter_expiry_.begin()->first < now.value) {
        std::vector<std::string> running;
        for (const std::string& key : counter_expiry_.begin()->second) {
            const auto found = counters_.find(key);
            if (found == counters_.end()) {
                continue;
            }
            if (found->second.running != 0) {
                running.push_back(key);
                continue;
            }
            if (found->second.defined) {
                counter_by_index_.erase(found->second.record.index);
            }
            counters_.erase(found);
        }
        counter_expiry_.erase(counter_expiry_.begin());
        if (!running.empty()) {
            auto& later = counter_expiry_[now.value + 60];
            later.insert(later.end(), running.begin(), running.end());
            break;
        }
    }
}

KeyNode& Book::add_key(std::string key, IdempotencyEntry entry) {
    const std::uint64_t expires = entry.expires.value;
    const auto [at, added] = keys_.try_emplace(std::move(key), KeyEntry{std::move(entry), false});
    if (added) {
        key_expiry_[expires].push_back(&*at);
    }
    return *at;
}

void Book::sweep(UnixSeconds now) {
    while (!key_expiry_.empty() && key_expiry_.begin()->first <= now.value) {
        swept_until_ = std::max(swept_until_, key_expiry_.begin()->first);
        const auto nodes = std::move(key_expiry_.begin()->second);
        key_expiry_.erase(key_expiry_.begin());
        for (const KeyNode* node : nodes) {
            const CallState state = node->second.entry.state;
            if (state == CallState::held || state == CallState::served) {
                key_expiry_[now.value + 60].push_back(node);
            } else {
                keys_.erase(keys_.find(node->first));
            }
        }
    }
}

Result<void> Book::apply(const PayerRecord& record) {
    if (record.index > payers_.size()) {
        return damaged("a payer's number is missing");
    }
    if (record.index == payers_.size()) {
        PayerEntry& made = payers_.emplace_back();
        made.record = record;
        payer_by_text_.emplace(made.record.payer.text, record.index);
    }
    PayerEntry& payer = payers_[record.index];
    if (payer.record.payer != record.payer) {
        return damaged("two payers have one number");
    }
    const std::uint32_t group = group_for(record.chain.owner, record.chain.asset);
    if (payer.counted) {
        adjust_exposure(payer.group, payer.exposure(), Amount{});
    }
    payer.group = group;
    // The index views the name, so the name stays where it is.
    PayerAccount name = std::move(payer.record.payer);
    payer.record = record;
    payer.record.payer = std::move(name);
    payer.counted = true;
    adjust_exposure(group, Amount{}, payer.exposure());
    mark_unsettled(payer);
    mark_dirty(payer);
    return {};
}

Result<void> Book::apply(const CounterRecord& record) {
    CounterEntry* counter = find_counter(record.key);
    if (counter == nullptr) {
        std::optional<UnixSeconds> expires;
        if (record.expires != 0) {
            expires = UnixSeconds{record.expires};
        }
        counter = &make_counter({record.key, 0, expires});
    }
    counter->record = record;
    counter->defined = true;
    counter_by_index_[record.index] = counter;
    next_counter_ = std::max(next_counter_, record.index + 1);
    mark_dirty(*counter);
    return {};
}

Result<void> Book::apply(const VoucherRecord& record) {
    if (!knows_payer(record.payer)) {
        return damaged("a voucher of a payer that is not known");
    }
    PayerEntry& payer = payers_[record.payer];
    payer.record.voucher = record.voucher;
    mark_dirty(payer);
    return {};
}

Result<void> Book::apply(const SentRowRecord& record) {
    if (!knows_payer(record.payer)) {
        return damaged("a row of an unknown payer");
    }
    PayerEntry& payer = payers_[record.payer];
    payer.record.sent.calls = std::max(payer.record.sent.calls, record.row.calls);
    payer.record.sent.amount = std::max(payer.record.sent.amount, record.row.amount);
    payer.record.sent_rows.push_back(record.row);
    if (payer.record.spent.amount <= record.row.amount) {
        payer.unsent_since = 0;
    }
    mark_dirty(payer);
    return {};
}

Result<void> Book::apply(const FinishedRecord& record, BytesView encoded, KeyNode* key) {
    if (!knows_payer(record.payer)) {
        return damaged("a call of an unknown payer");
    }
    PayerEntry& payer = payers_[record.payer];
    change(payer, [&] {
        Spent& spent = payer.record.spent;
        spent.amount = Amount(spent.amount.units() + record.amount.units());
        spent.calls += record.calls;
    });
    if (payer.unsent_since == 0) {
        payer.unsent_since = record.time.value;
    }
    mark_unsettled(payer);
    mark_dirty(payer);
    repay(record, payer.record.chain.asset);
    for (const CounterIndex index : record.counters) {
        // A counter that expired since is gone, and nobody asks for it.
        if (const auto found = counter_by_index_.find(index); found != counter_by_index_.end()) {
            ++found->second->finished;
            mark_dirty(*found->second);
        }
    }
    if (key != nullptr) {
        key->second.entry.state = record.goes_on ? CallState::served : CallState::finished;
        key->second.entry.receipt = record.receipt;
        mark_dirty(*key);
    }
    keep_receipt(record, encoded);
    return {};
}

void Book::repay(const FinishedRecord& record, const AssetId& asset) {
    PayerEntry* debtor = find_payer(repaid_account(record.call));
    if (debtor == nullptr || debtor->record.chain.asset != asset) {
        return;
    }
    change(*debtor, [&] {
        PayerRecord& debt = debtor->record;
        const Amount paid(debt.chain.claimed_on_chain.units() + record.amount.units());
        debt.chain.claimed_on_chain = std::min(paid, debt.spent.amount);
        if (debt.chain.claimed_on_chain == debt.spent.amount) {
            debt.chain.calls_on_chain = debt.spent.calls;
        }
    });
    mark_dirty(*debtor);
}

const FinishedRecord* Book::previous_in_batch(std::uint64_t receipt_serial) const {
    if (!last_finished_ || receipts_.empty()) {
        return nullptr;
    }
    const ReceiptBatch& batch = *receipts_.back();
    const bool goes_on = batch.ends.size() < ReceiptBatch::kMaxReceipts &&
                         batch.first >= taken_until_ &&
                         batch.first + batch.ends.size() == receipt_serial;
    return goes_on ? &*last_finished_ : nullptr;
}

void Book::keep_receipt(const FinishedRecord& record, BytesView encoded) {
    const FinishedRecord* previous = previous_in_batch(record.receipt_serial);
    if (encoded.empty()) {
        encoder_.clear();
        encode_short(encoder_, record, previous);
        encoded = encoder_.view();
    }
    if (previous == nullptr) {
        auto batch = std::make_shared<ReceiptBatch>();
        batch->first = record.receipt_serial;
        receipts_.push_back(std::move(batch));
    }
    ReceiptBatch& batch = *receipts_.back();
    append(batch.records, encoded);
    batch.ends.push_back(static_cast<std::uint32_t>(batch.records.size()));
    batch.newest = record.time.value;
    next_receipt_ = std::max(next_receipt_, record.receipt_serial + 1);
    last_finished_ = record;
}

std::shared_ptr<const ReceiptBatch> Book::recent_receipts(std::uint64_t serial) const {
    const auto after = std::ranges::upper_bound(
        receipts_, serial, {}, [](const auto& batch) { return batch->first; });
    if (after == receipts_.begin()) {
        return nullptr;
    }
    return *std::prev(after);
}

Book::Changes Book::take_changes() {
    Changes changes;
    for (const PayerIndex index : dirty_payers_) {
        payers_[index].dirty = false;
        changes.payers.push_back(payers_[index].record);
    }
    dirty_payers_.clear();
    for (const CounterIndex index : dirty_counters_) {
        if (const auto found = counter_by_index_.find(index); found != counter_by_index_.end()) {
            found->second->dirty = false;
            changes.counters.push_back(*found->second);
        }
    }
    dirty_counters_.clear();
    for (std::string& key : dirty_keys_) {
        if (const auto found = keys_.find(key); found != keys_.end()) {
            found->second.dirty = false;
            changes.keys.emplace_back(std::move(key), found->second.entry);
        }
    }
    dirty_keys_.clear();
    for (const auto& batch : receipts_) {
        if (batch->first >= taken_until_) {
            changes.receipts.push_back(batch);
        }
    }
    taken_until_ = next_receipt_;
    // What follows is read without what came before.
    last_finished_.reset();
    return changes;
}

void Book::forget_receipts_below(std::uint64_t serial) {
    while (
        !receipts_.empty() && receipts_.front()->first + receipts_.front()->ends.size() <= serial) {
        receipts_.pop_front();
    }
}

void Book::load_position(std::uint64_t next_receipt, std::uint64_t swept_until) {
    next_receipt_ = next_receipt;
    taken_until_ = next_receipt;
    swept_until_ = swept_until;
}

}  // namespace decloud::payments::internal
