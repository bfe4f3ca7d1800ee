#pragma once

#include "error.hpp"
#include "state_engine.hpp"
#include "types.hpp"

#include <decloud/async/task.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::payments {

/// Where a ledger is kept and what it takes at most.
struct LedgerSettings {
    /// Holds `log/` and `ledger.sqlite`; made if missing. One process at a time: see
    /// store::HomeLock.
    std::filesystem::path directory;
    /// Leased at a time; the next is leased when half of it is spent.
    Amount slice{Uint128{10'000'000}};
    /// Bounds, in each asset, on what is finished or held and not yet on the final chain.
    Amount max_exposure_per_payer{Uint128{100'000'000}};
    Amount max_exposure_per_owner{Uint128{200'000'000}};
    Amount max_exposure{Uint128{10'000'000'000}};
    std::size_t max_holds = 100'000;
    std::size_t max_idempotency_keys = 5'000'000;
    std::size_t max_counters = 1'000'000;
    /// How far ahead a key may expire.
    std::chrono::seconds max_key_lifetime{24 * 3600};
    /// Receipts older than this, or beyond this many, are dropped; sums stay.
    std::chrono::hours receipt_age{24 * 90};
    std::uint64_t max_receipts = 1'000'000;
    /// The log is folded into SQLite after so many bytes, or so long after the first record.
    std::uint64_t checkpoint_bytes = 8 * kMiB;
    std::chrono::seconds checkpoint_age{60};
    std::uint64_t log_segment_bytes = 8 * kMiB;
};

/// What `open` found after the last stop.
struct LedgerRecovery {
    std::uint64_t log_records = 0;
    /// Torn tail of the log; never acknowledged.
    std::uint64_t bytes_cut = 0;
    std::string cut_at;
    /// Calls that were running; their money was given back, their keys stay spent.
    std::uint64_t held_released = 0;
    /// Of calls that had begun: answers that may have been complete and are not charged (the last
    /// commit window). Under load at most, as one record speaks for many calls.
    std::uint64_t served_released = 0;
    Amount amount_released;
};

/// Who owes what: holds, commits and releases from memory, made durable by a group-committed log
/// that is folded into SQLite from time to time. After a kill at any moment nothing is overspent
/// and nothing is charged twice.
///
/// A call goes held → `served` (durable before its first response byte) → finished by `commit`, or
/// released. Exact integers throughout. Single threaded, on the executor's thread. Call `close`
/// before destruction.
class Ledger {
  public:
    /// Loads the last checkpoint, replays the log, releases what was running. Blocks; for start-up.
    /// `engine` and `clock` outlive the ledger. Errors: StoreError::damaged, newer_format,
    /// database; CommonError::io, disk_full.
    [[nodiscard]] static Result<std::unique_ptr<Ledger>> open(
        LedgerSettings settings, async::Executor executor, StateEngine& engine, const Clock& clock);
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    /// Of this `open`. Lives as long as the ledger.
    [[nodiscard]] const LedgerRecovery& recovery() const;

    /// Reserves `request.max` and one count of every counter, all or nothing, in memory.
    /// Errors: any PaymentError but unknown_hold and exceeds_hold; invalid_input (lengths, another
    /// asset); disk_full, unavailable.
    [[nodiscard]] Result<HoldId> hold(HoldRequest request);
    /// `hold`, leasing another slice first if that is what is missing.
    [[nodiscard]] async::Task<Result<HoldId>> acquire(HoldRequest request);
    /// `acquire` where nothing needs to be waited for; none, and `request` as it was, elsewhere.
    [[nodiscard]] std::optional<Result<HoldId>> try_acquire(HoldRequest& request);
    /// Reserves more for a running call. Errors as `hold`.
    [[nodiscard]] Result<void> extend(HoldId id, Amount more);
    /// Reserves the next interval of a stream: `more`, and one further count of every counter.
    /// Leases another slice first if that is what is missing. Errors as `hold`.
    [[nodiscard]] async::Task<Result<void>> extend_interval(HoldId id, Amount more);
    /// Before the call runs: its record `served` goes on its way to the disk, so that `served`
    /// seldom waits. Resumes when the hold's idempotency key is on disk, at once if it has none.
    [[nodiscard]] async::Task<Result<void>> begin(HoldId id);
    /// True if `begin` has nothing to wait for and is done with that.
    [[nodiscard]] bool try_begin(HoldId id);
    /// To be awaited before the first response byte. After an error answer nothing and release.
    [[nodiscard]] async::Task<Result<void>> served(HoldId id);
    /// True if `served` has nothing to wait for and is done with that.
    [[nodiscard]] bool try_served(HoldId id);
    /// Charges `actual` (at most what is held), ends the hold, makes the receipt. On disk within
    /// the commit window. Errors: unknown_hold, exceeds_hold; disk_full, unavailable (the hold is
    /// then still there).
    [[nodiscard]] Result<ReceiptId> commit(HoldId id, Amount actual, CallRecord call);
    /// Charges an elapsed interval of a stream on its own and keeps the rest held. After
    /// `extend_interval` it counts as a call.
    [[nodiscard]] Result<ReceiptId> commit_interval(HoldId id, Amount actual, CallRecord call);
    /// Nothing is charged, counts are given back, the idempotency key stays spent.
    [[nodiscard]] Result<void> release(HoldId id, ReleaseReason reason);
    /// Resumes when everything done so far is on disk.
    [[nodiscard]] async::Task<Result<void>> flush();

    /// Takes over what the final chain says. The first time after `open` the higher of log and
    /// chain counts; after that a claim that no row of `note_sent_rows` explains stops the payer
    /// with the reason. So does a chain that went back, unless the caller has seen that it was
    /// reorganised; then claims that were undone are due again.
    [[nodiscard]] Result<void> record_chain(
        PayerAccount payer, ChannelState state, ChainMove move = ChainMove::forward);
    /// The final chain does not have this payer any more: nothing is served or sent until
    /// `record_chain` tells of it again.
    [[nodiscard]] Result<void> record_missing(PayerAccount payer);
    /// The final chain has nothing new about this payer since what was recorded last.
    void confirm_chain(const PayerAccount& payer);
    /// Rows about to be broadcast, on disk when it resumes. Broadcast only after success.
    [[nodiscard]] async::Task<Result<void>> note_sent_rows(std::vector<SettlementRow> rows);
    /// Serves again from a payer that a foreign row had stopped, from what the chain says.
    [[nodiscard]] Result<void> resume_payer(PayerAccount payer);

    /// Takes a voucher that its caller has verified: at least as much as the one before, and no
    /// lower first sequence. It is in the log ahead of every call that relies on it, so that it is
    /// on disk before any of their answers. Errors: unknown_payer; invalid_input if it is lower
    /// than the one before or the payer has no signer; disk_full, unavailable.
    [[nodiscard]] Result<void> accept(const PayerAccount& payer, const AcceptedVoucher& voucher);

    /// What the chain said of a payer; null if it is not known. Until the next call that changes
    /// the ledger.
    [[nodiscard]] const ChannelState* find(const PayerAccount& payer) const;
    /// What a new call could hold now, over all slices and bounds but counters. Zero if unknown or
    /// stopped.
    [[nodiscard]] Amount spendable(const PayerAccount& payer) const;
    /// Zeros for a payer that is not known.
    [[nodiscard]] Spent spent(const PayerAccount& payer) const;
    /// Error: unknown_payer.
    [[nodiscard]] Result<PayerView> payer(const PayerAccount& payer) const;
    /// Every payer that was ever told of, in any order.
    [[nodiscard]] std::vector<PayerView> payers() const;
    /// Sums of `spent` by ChannelState::owner and asset.
    [[nodiscard]] std::map<std::pair<std::string, AssetId>, Spent> spent_by_owner() const;
    /// Calls that count against a cap, finished and running; 0 for an unknown key.
    [[nodiscard]] std::uint64_t counter(std::string_view key) const;
    /// The call that used this key; none if it is not known or was forgotten.
    [[nodiscard]] std::optional<IdempotencyEntry> idempotency(std::string_view key) const;
    /// What is owed and not on the final chain, in each asset.
    [[nodiscard]] std::map<AssetId, Exposure> exposure() const;
    /// How many holds have not ended.
    [[nodiscard]] std::size_t running() const;

    /// Rows that are worth sending now: past a threshold, or the channel is closing.
    [[nodiscard]] std::vector<SettlementRow> settlement_due(
        UnixSeconds now, SettlementThresholds thresholds) const;
    /// All rows that the final chain does not have yet and would take: none of payers that are
    /// stopped or final.
    [[nodiscard]] std::vector<SettlementRow> unsettled() const;

    /// Errors: not_found (never was, or dropped for age), database.
    [[nodiscard]] async::Task<Result<Receipt>> receipt(ReceiptId id);

    /// Folds the log into SQLite now; runs by itself otherwise.
    [[nodiscard]] async::Task<Result<void>> checkpoint();
    /// Stops background work, syncs, folds. Holds still running are released.
    [[nodiscard]] async::Task<Result<void>> close();

  private:
    class State;
    explicit Ledger(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace decloud::payments
