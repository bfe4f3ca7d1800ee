#pragma once

#include "../types.hpp"
#include "records.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace decloud::payments::internal {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};

/// A payer's account. `record` is durable, the rest is of this process.
struct PayerEntry {
    PayerRecord record;
    Amount held;
    /// Of slices, cumulative; against `own_spent`.
    Amount granted;
    std::uint32_t group = 0;
    /// `group` has its exposure.
    bool counted = false;
    /// The chain was heard since the start.
    bool heard = false;
    bool leasing = false;
    bool dirty = false;
    /// In the list of payers that the final chain owes rows.
    bool unsettled = false;
    /// When the oldest amount that is not sent was finished; when the last row was sent. 0:
    /// unknown.
    std::uint64_t unsent_since = 0;
    std::uint64_t sent_at = 0;

    [[nodiscard]] Amount own_spent() const {
        return record.spent.amount.saturating_minus(record.adopted);
    }
    [[nodiscard]] Amount exposure() const;
    /// Reserved and, where there is a signer, signed for; not spent and not held.
    [[nodiscard]] Amount unspent() const;
    [[nodiscard]] Amount slice_left() const;
};

/// Exposure of an owner in one asset, and of all owners in it (owner empty).
struct ExposureGroup {
    std::string owner;
    AssetId asset;
    Amount amount;
    std::uint32_t whole = 0;
};

struct CounterEntry {
    CounterRecord record;
    /// The log knows its index.
    bool defined = false;
    bool dirty = false;
    std::uint64_t finished = 0;
    std::uint64_t running = 0;
};

struct KeyEntry {
    IdempotencyEntry entry;
    bool dirty = false;
};
using KeyMap = std::unordered_map<std::string, KeyEntry, TextHash, std::equal_to<>>;
using KeyNode = KeyMap::value_type;

/// Receipts in the order of their serials; immutable once they are in a snapshot.
struct ReceiptBatch {
    static constexpr std::size_t kMaxReceipts = 256;
    /// Each by itself, as RecordType::finished.
    static constexpr std::uint32_t kWhole = 1;
    /// Each beside the one before it, as `encode_short`.
    static constexpr std::uint32_t kShort = 2;

    std::uint32_t format = kShort;
    std::uint64_t first = 0;
    std::uint64_t newest = 0;
    std::vector<std::uint32_t> ends;
    Bytes records;

    /// Errors: not_found, StoreError::damaged.
    [[nodiscard]] Result<FinishedRecord> record(std::uint64_t serial) const;
};

/// The ledger's state as the log builds it: the same functions apply a record when it is made and
/// when it is replayed. Knows nothing of files. Single threaded.
class Book {
  public:
    Book();

    // Payers.
    [[nodiscard]] PayerEntry* find_payer(std::string_view text);
    [[nodiscard]] const PayerEntry* find_payer(std::string_view text) const;
    [[nodiscard]] PayerEntry& payer(PayerIndex index) { return payers_[index]; }
    [[nodiscard]] const std::deque<PayerEntry>& payers() const { return payers_; }
    [[nodiscard]] PayerIndex next_payer() const { return static_cast<PayerIndex>(payers_.size()); }
    [[nodiscard]] bool knows_payer(PayerIndex index) const { return index < payers_.size(); }
    /// Changes amounts and keeps the sums of exposure right.
    template <class Change>
    void change(PayerEntry& payer, Change change) {
        const Amount before = payer.exposure();
        change();
        adjust_exposure(payer.group, before, payer.exposure());
    }
    /// Those that spent more than the final chain knows.
    [[nodiscard]] const std::vector<PayerIndex>& unsettled();
    [[nodiscard]] const ExposureGroup& group(std::uint32_t index) const { return groups_[index]; }
    [[nodiscard]] const std::vector<ExposureGroup>& groups() const { return groups_; }

    // Counters.
    [[nodiscard]] CounterEntry* find_counter(std::string_view key);
    [[nodiscard]] const CounterEntry* find_counter(std::string_view key) const;
    CounterEntry& make_counter(const CounterClaim& claim);
    [[nodiscard]] std::size_t counters() const { return counters_.size(); }
    [[nodiscard]] CounterIndex next_counter() const { return next_counter_; }

    // Idempotency keys.
    [[nodiscard]] KeyMap& keys() { return keys_; }
    [[nodiscard]] const KeyMap& keys() const { return keys_; }
    KeyNode& add_key(std::string key, IdempotencyEntry entry);
    void mark_dirty(KeyNode& node);
    /// Forgets keys whose time has passed, but those of running calls.
    void sweep(UnixSeconds now);
    [[nodiscard]] std::uint64_t swept_until() const { return swept_until_; }

    // Records.
    [[nodiscard]] Result<void> apply(const PayerRecord& record);
    [[nodiscard]] Result<void> apply(const CounterRecord& record);
    [[nodiscard]] Result<void> apply(const SentRowRecord& record);
    [[nodiscard]] Result<void> apply(const VoucherRecord& record);
    /// `encoded` is `record` beside `previous_in_batch`, or empty; `key` the hold's, if it has one.
    [[nodiscard]] Result<void> apply(const FinishedRecord& record, BytesView encoded, KeyNode* key);
    /// The record before this serial's in its batch; null if it begins one. Until the next `apply`.
    [[nodiscard]] const FinishedRecord* previous_in_batch(std::uint64_t receipt_serial) const;
    /// The newest since the last snapshot, if any.
    [[nodiscard]] const FinishedRecord* last_finished() const {
        return last_finished_ ? &*last_finished_ : nullptr;
    }

    /// Of receipts that SQLite does not have yet.
    [[nodiscard]] std::shared_ptr<const ReceiptBatch> recent_receipts(std::uint64_t serial) const;
    [[nodiscard]] std::uint64_t next_receipt() const { return next_receipt_; }

    /// What changed since the last call. Receipts stay readable until `forget_receipts_below`.
    struct Changes {
        std::vector<PayerRecord> payers;
        std::vector<CounterEntry> counters;
        std::vector<std::pair<std::string, IdempotencyEntry>> keys;
        std::vector<std::shared_ptr<const ReceiptBatch>> receipts;
    };
    [[nodiscard]] Changes take_changes();
    void forget_receipts_below(std::uint64_t serial);
    void drop_expired_counters(UnixSeconds now);

    // From SQLite at start.
    void load_counter(CounterEntry counter);
    void load_position(std::uint64_t next_receipt, std::uint64_t swept_until);

  private:
    void adjust_exposure(std::uint32_t group, Amount before, Amount after);
    /// Where the call pays off a debt.
    void repay(const FinishedRecord& record, const AssetId& asset);
    void keep_receipt(const FinishedRecord& record, BytesView encoded);
    std::uint32_t group_for(const std::string& owner, const AssetId& asset);
    void mark_dirty(PayerEntry& payer);
    void mark_unsettled(PayerEntry& payer);
    void mark_dirty(CounterEntry& counter);

    std::deque<PayerEntry> payers_;
    boost::unordered_flat_map<std::string_view, PayerIndex> payer_by_text_;
    std::vector<PayerIndex> dirty_payers_;
    std::vector<PayerIndex> unsettled_;

    std::vector<ExposureGroup> groups_;
    std::map<std::pair<std::string, AssetId>, std::uint32_t> group_by_owner_;

    std::unordered_map<std::string, CounterEntry, TextHash, std::equal_to<>> counters_;
    std::unordered_map<CounterIndex, CounterEntry*> counter_by_index_;
    std::map<std::uint64_t, std::vector<std::string>> counter_expiry_;
    std::vector<CounterIndex> dirty_counters_;
    CounterIndex next_counter_ = 0;

    KeyMap keys_;
    std::map<std::uint64_t, std::vector<const KeyNode*>> key_expiry_;
    std::vector<std::string> dirty_keys_;
    std::uint64_t swept_until_ = 0;

    std::deque<std::shared_ptr<ReceiptBatch>> receipts_;
    /// Batches before this one are in a snapshot and are not written to any more.
    std::uint64_t taken_until_ = 0;
    std::uint64_t next_receipt_ = 1;
    std::optional<FinishedRecord> last_finished_;
    Encoder encoder_;
};

}  // namespace decloud::payments::internal
