#pragma once

#include "spending.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/protocol/promise.hpp>
#include <decloud/store/sqlite.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace decloud::client {

/// Whose debt, to whom, in what.
struct DebtKey {
    /// The provider's audience, "eip155:31337:0x…".
    std::string provider;
    /// The did:key that promised.
    std::string id;
    AssetId currency;
};

/// What this home owes to one provider, as far as it is known.
struct OwnDebt {
    DebtKey key;
    /// How the provider's node was named: a registered name, or a URL.
    std::string node;
    /// The sum of all that was ever signed: no node can have more coming.
    Amount signed_for;
    /// What the node says was charged, and paid.
    Amount promised;
    Amount paid;
    std::optional<UnixSeconds> due{};
    Amount threshold{};
    std::uint64_t kept = 0;
    std::uint64_t broken = 0;
    /// When the node said so last; none: it never did.
    std::optional<UnixSeconds> told{};

    [[nodiscard]] Amount owed() const { return promised.saturating_minus(paid); }
};

/// What this home has promised to pay later, on disk before a promise leaves. Blocks for a write to
/// the disk. Not thread safe; one object per thread.
class PromiseBook {
  public:
    /// `limits` bound one promise (`max_price`) and what one provider can have coming
    /// (`max_per_provider`). `clock` outlives it. Errors: as `store::Database::open`.
    [[nodiscard]] static Result<PromiseBook> open(
        const std::filesystem::path& file, SpendingLimits limits, const Clock& clock);

    /// It may leave when this returns. Errors: ClientError::payment naming the limit that it would
    /// pass; StoreError, CommonError.
    [[nodiscard]] Result<void> make(
        const std::string& provider, const std::string& node, const protocol::Promise& promise);
    /// The node has refused it, so that it is no debt.
    [[nodiscard]] Result<void> returned(
        const std::string& provider, const protocol::Promise& promise);
    /// What an answer says is owed now.
    [[nodiscard]] Result<void> note_owed(
        const DebtKey& key, Amount owed, std::optional<UnixSeconds> due);
    /// What the node's signed word says. Error: ClientError::payment if that is more than was
    /// promised, or less than was paid before; nothing is changed then.
    [[nodiscard]] Result<void> note(const OwnDebt& debt);
    /// A payment is about to leave that can be taken until `until`; on disk when this returns.
    /// Errors: ClientError::payment while one that was not acknowledged may still be taken, or if
    /// such payments would come to more than one provider gets.
    [[nodiscard]] Result<void> attempt(
        const DebtKey& key, Amount amount, Amount paid_before, UnixSeconds until);
    /// That payment did not leave, or was refused.
    [[nodiscard]] Result<void> withdraw(const DebtKey& key, Amount amount);
    /// Every debt that there ever was, in the order in which they began.
    [[nodiscard]] Result<std::vector<OwnDebt>> debts();

  private:
    PromiseBook(store::Database database, SpendingLimits limits, const Clock& clock)
        : database_(std::move(database)), limits_(limits), clock_(&clock) {}
    [[nodiscard]] Result<std::optional<OwnDebt>> find(const DebtKey& key);
    [[nodiscard]] Result<void> check(const std::string& provider, Amount more);
    [[nodiscard]] Result<void> update(const OwnDebt& debt);

    store::Database database_;
    SpendingLimits limits_;
    const Clock* clock_;
};

}  // namespace decloud::client
