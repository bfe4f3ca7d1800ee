#pragma once

#include "ledger.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/protocol/payment_method.hpp>
#include <decloud/protocol/promise.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::payments {

/// What one id owes here.
struct Debt {
    std::string id;
    AssetId currency;
    /// All that it was ever charged on promises, and what of it it has paid.
    Amount promised{};
    Amount paid{};
    /// In calls that run now.
    Amount held{};
    /// Of the oldest promise that is not paid; none if nothing is owed.
    std::optional<UnixSeconds> due{};
    /// Of the newest promise.
    Amount threshold{};
    /// Promises that were paid in time, and that were not.
    std::uint64_t kept = 0;
    std::uint64_t broken = 0;

    [[nodiscard]] Amount owed() const { return promised.saturating_minus(paid); }
};

/// What debts are kept with. All of it outlives `Debts`.
struct DebtsContext {
    async::Executor executor;
    Ledger& ledger;
    store::RecordStore& records;
    const Clock& clock;
};

/// What debts are in, and how many ids may have some.
struct DebtsSettings {
    AssetId asset;
    std::size_t max_ids = 100'000;
};

/// The debt that is being paid off by one running call; others wait until it is destroyed.
class Repayment {
  public:
    explicit Repayment(std::function<void()> end) : end_(std::move(end)) {}
    ~Repayment() { end_(); }
    Repayment(const Repayment&) = delete;
    Repayment& operator=(const Repayment&) = delete;

  private:
    std::function<void()> end_;
};

/// Who owes this node what, on promises that were kept, are open, or broken. Amounts are accounts
/// of the ledger ("promise:did:key:…": spent is promised, claimed is paid), so that a kill loses
/// none of them; when they are due is a record that is on disk before the first call that relies on
/// it. Promises whose dues lie within a minute are due together, at the first one's time. Single
/// threaded.
class Debts {
  public:
    Debts(DebtsContext context, DebtsSettings settings);
    ~Debts();
    Debts(const Debts&) = delete;
    Debts& operator=(const Debts&) = delete;

    /// Takes up what is on disk. Errors: corrupt, StoreError's.
    [[nodiscard]] async::Task<Result<void>> start();
    /// Finds promises that were broken, and payments that came, meanwhile.
    [[nodiscard]] async::Task<void> review();
    [[nodiscard]] async::Task<void> stop();

    /// Zeros for an id that never promised anything.
    [[nodiscard]] Debt find(std::string_view id);
    /// Of everybody who has ever promised, in the order of their ids.
    [[nodiscard]] std::vector<Debt> list();
    [[nodiscard]] const AssetId& asset() const { return settings_.asset; }
    /// What everybody owes together, with what running calls may add.
    [[nodiscard]] Amount total() const { return total_; }

    /// Whether this id may owe `price` more. Refuses with no-defer and the reason.
    [[nodiscard]] protocol::Checked<void> check(
        const protocol::Promise& promise, Amount price, const protocol::PromiseLimits& limits);
    /// Holds `request.max` on the id's account; `check` has allowed it. Errors: as
    /// `Ledger::acquire`.
    [[nodiscard]] async::Task<Result<HoldId>> acquire(
        std::string id, Amount limit, HoldRequest request);
    /// When that promise is due; on disk when it resumes. Errors: the disk's.
    [[nodiscard]] async::Task<Result<void>> note(protocol::Promise promise);
    /// A hold of `acquire` has ended, and `charged` of it is owed now.
    void ended(Amount held, Amount charged);

    /// Counts all that the id owes as paid, and lets it promise again. Errors: not_found if it has
    /// never promised; unavailable while a call of it runs or it is paying; the disk's.
    [[nodiscard]] async::Task<Result<Debt>> forgive(std::string id);

    /// Begins to pay off `amount`. `paid_before` is what the debtor believes to have paid before,
    /// so that nothing is paid twice. Refuses with 409.
    [[nodiscard]] protocol::Checked<std::unique_ptr<Repayment>> repay(
        std::string id, Amount amount, Amount paid_before);

  private:
    /// Promises that are due together: those beyond `from`, as far as the next one's.
    struct Tranche {
        Amount from;
        UnixSeconds due;
        bool broken = false;
    };
    struct Debtor {
        std::deque<Tranche> tranches;
        Amount threshold;
        std::uint64_t kept = 0;
        std::uint64_t broken = 0;
        bool repaying = false;
    };

    [[nodiscard]] static Bytes format(const Debtor& debtor);
    [[nodiscard]] static Result<Debtor> parse(BytesView text);
    /// True if something is to be saved.
    bool bring_up_to_date(const std::string& id, Debtor& debtor);
    [[nodiscard]] Debt describe(const std::string& id, const Debtor& debtor) const;
    [[nodiscard]] async::Task<Result<void>> save(std::string id);
    void save_later(const std::string& id);
    [[nodiscard]] bool make_room();
    void find_unrecorded();

    DebtsContext context_;
    DebtsSettings settings_;
    std::map<std::string, Debtor, std::less<>> debtors_;
    Amount total_;
    /// Of `total_`, what the ledger is being asked for.
    Amount acquiring_;
    /// One thread: records of an id are written in their order.
    boost::asio::thread_pool pool_{1};
    async::TaskGroup tasks_;
};

/// "promise:{id}", the ledger's account of what an id owes.
[[nodiscard]] PayerAccount promise_account(std::string_view id);

/// The payment method `promise`: takes `defer;…` within what `limits` allows. `debts` outlives it.
[[nodiscard]] std::unique_ptr<protocol::PaymentMethod> make_promise_method(
    Debts& debts, Ledger& ledger, const Clock& clock, protocol::PromiseLimitsOf limits);

}  // namespace decloud::payments
