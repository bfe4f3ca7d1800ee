#pragma once

#include "../ledger.hpp"
#include "book.hpp"
#include "checkpoint.hpp"
#include "receipt_ids.hpp"
#include "served_ahead.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/store/log.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace decloud::payments {

class Ledger::State {
  public:
    State(
        LedgerSettings settings, async::Executor executor, StateEngine& engine, const Clock& clock);

    // ledger.cpp
    Result<void> open();
    async::Task<Result<void>> close();
    async::Task<Result<Receipt>> receipt(ReceiptId id);
    [[nodiscard]] UnixSeconds now() const { return clock_.unix_seconds(); }

    // ledger_calls.cpp
    /// Takes what it needs out of `request` if it succeeds.
    Result<HoldId> hold(HoldRequest& request);
    async::Task<Result<HoldId>> acquire(HoldRequest request);
    std::optional<Result<HoldId>> try_acquire(HoldRequest& request);
    async::Task<Result<void>> begin(HoldId id);
    bool try_begin(HoldId id);
    async::Task<Result<void>> served(HoldId id);
    bool try_served(HoldId id);
    Result<ReceiptId> commit(HoldId id, Amount actual, CallRecord call, bool goes_on);
    Result<void> release(HoldId id, ReleaseReason reason);
    async::Task<Result<void>> flush();

    // ledger_intervals.cpp
    Result<void> extend(HoldId id, Amount more);
    async::Task<Result<void>> extend_interval(HoldId id, Amount more);

    // ledger_chain.cpp
    Result<void> record_chain(PayerAccount payer, ChannelState state, ChainMove move);
    Result<void> record_missing(const PayerAccount& payer);
    void confirm_chain(const PayerAccount& payer);
    async::Task<Result<void>> note_sent_rows(std::vector<SettlementRow> rows);
    Result<void> resume_payer(const PayerAccount& payer);
    Result<void> accept(const PayerAccount& payer, const AcceptedVoucher& voucher);
    std::vector<SettlementRow> settlement_due(
        UnixSeconds now, const SettlementThresholds& thresholds);
    std::vector<SettlementRow> unsettled();
    [[nodiscard]] Amount spendable(const internal::PayerEntry& payer) const;
    [[nodiscard]] PayerView view(const internal::PayerEntry& payer) const;
    [[nodiscard]] std::map<AssetId, Exposure> exposure() const;

    // ledger_checkpoint.cpp
    async::Task<Result<void>> checkpoint();

    [[nodiscard]] const internal::Book& book() const { return book_; }
    [[nodiscard]] const LedgerRecovery& recovery() const { return recovery_; }
    [[nodiscard]] std::size_t running() const { return holds_.size() - free_holds_.size(); }

  private:
    struct HeldCounter {
        internal::CounterEntry* entry = nullptr;
        std::uint64_t limit = 0;
    };
    struct Hold {
        /// 0: the slot is free.
        internal::HoldSerial serial = 0;
        std::uint32_t generation = 0;
        internal::PayerIndex payer = 0;
        Amount held;
        /// Of the last record about it; 0: none.
        std::uint64_t sequence = 0;
        /// What the record `served` says is held; none before it.
        std::optional<Amount> served;
        internal::KeyNode* key = nullptr;
        bool key_before_run = true;
        std::string call_id;
        boost::container::small_vector<HeldCounter, 4> counters;
        /// How often it counts in each of them now: twice once the next interval is held.
        std::uint64_t claims = 1;
    };
    /// What a replay found begun and not ended.
    struct OpenHolds {
        std::unordered_map<internal::HoldSerial, internal::OpenHold> known;
        /// Serials without a record of their own, and what each may cost.
        std::map<internal::HoldSerial, Amount> ahead;

        [[nodiscard]] std::size_t size() const { return known.size() + ahead.size(); }
        /// The hold has a record of its own.
        internal::OpenHold& know(internal::HoldSerial serial);
        void end(internal::HoldSerial serial);
    };

    Result<void> load(internal::LoadedState& loaded);
    Result<void> replay(const store::LogRecord& record, OpenHolds& open);
    Result<void> replay_call(const store::LogRecord& record, OpenHolds& open);
    Result<void> replay_finished(const internal::FinishedRecord& record, OpenHolds& open);
    void release_open(const OpenHolds& open);
    internal::KeyNode* find_key(std::string_view key);

    template <class Record>
    Result<std::uint64_t> write(internal::RecordType type, const Record& record, store::LogUse use);
    Result<std::uint64_t> write_finished(const internal::FinishedRecord& record);
    /// What `encoder_` has.
    Result<std::uint64_t> write_encoded(internal::RecordType type, store::LogUse use);
    Result<void> check_open() const;
    Result<void> check_shape(const HoldRequest& request) const;
    Result<void> check_key(const HoldRequest& request);
    Result<void> check_money(const internal::PayerEntry& payer, Amount more) const;
    Result<void> check_exposure(const internal::PayerEntry& payer, Amount more) const;
    Result<void> check_counters(const HoldRequest& request) const;
    Result<void> record_hold(Hold& hold, HoldRequest& request);
    Result<void> record_served(Hold& hold);
    /// Whether a record that speaks for many calls speaks for this one.
    bool is_served_ahead(Hold& hold);
    void stop_serving_ahead();
    async::Task<void> stop_serving_ahead_when_idle();
    /// Returns the sequence of the hold's newest record, `served` if it had none.
    Result<std::uint64_t> write_served(HoldId id);
    async::Task<Result<std::uint64_t>> write_served_patiently(HoldId id);
    Hold& make_hold(HoldId& id);
    Result<Hold*> find(HoldId id);
    void end(Hold& hold);
    Result<void> try_extend_interval(HoldId id, Amount more);
    /// Whether what is charged now is a count of its own: a call or, where the next is held, an
    /// interval.
    [[nodiscard]] static bool counts(const Hold& hold, bool goes_on) {
        return !goes_on || hold.claims > 1;
    }
    Result<void> define_counters(const Hold& hold);
    internal::FinishedRecord finished_record(
        const Hold& hold, Amount actual, CallRecord call, bool goes_on);
    async::Task<Result<void>> lease(internal::PayerIndex index, Amount want);
    void lease_ahead(const internal::PayerEntry& payer);
    /// Of a final channel without running calls.
    void return_slice(const internal::PayerEntry& payer);
    async::Task<void> give_back(internal::PayerIndex index);

    void adopt_or_stop(const internal::PayerEntry& payer,
        internal::PayerRecord& record,
        const ChannelState& state,
        ChainMove move) const;
    Result<void> write_payer(const internal::PayerRecord& record);

    async::Task<void> maintain();
    std::shared_ptr<const internal::Checkpoint> take_checkpoint();
    async::Task<Result<void>> save_checkpoint();

    const LedgerSettings settings_;
    async::Executor executor_;
    StateEngine& engine_;
    const Clock& clock_;

    internal::Book book_;
    LedgerRecovery recovery_;
    std::unique_ptr<internal::ReceiptIds> receipt_ids_;
    /// Used by `pool_` alone once `open` has returned.
    std::unique_ptr<internal::CheckpointStore> store_;
    std::unique_ptr<store::GroupCommitLog> log_;
    internal::Encoder encoder_;

    std::vector<Hold> holds_;
    std::vector<std::uint32_t> free_holds_;
    internal::HoldSerial next_hold_ = 1;
    internal::ServedAhead ahead_;
    bool watching_ahead_ = false;
    async::Event leased_;

    std::uint64_t last_sequence_ = 0;
    std::uint64_t checkpoint_sequence_ = 0;
    std::uint64_t bytes_since_checkpoint_ = 0;
    /// Taken and not yet saved; tried again before another is taken.
    std::shared_ptr<const internal::Checkpoint> unsaved_;
    bool saving_ = false;
    bool save_failing_ = false;
    async::Event saved_;
    bool closing_ = false;
    boost::asio::steady_timer upkeep_;
    boost::asio::thread_pool pool_{1};
    async::TaskGroup tasks_;
};

template <class Record>
Result<std::uint64_t> Ledger::State::write(
    internal::RecordType type, const Record& record, store::LogUse use) {
    encoder_.clear();
    internal::encode(encoder_, record);
    return write_encoded(type, use);
}

}  // namespace decloud::payments
