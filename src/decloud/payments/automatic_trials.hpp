#pragma once

#include "channel_directory.hpp"
#include "ledger.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_set>

namespace decloud::payments {

/// What a provider gives away by itself, without a grant on the chain.
struct AutomaticTrialRules {
    /// For each identity, ever. 0: nobody gets any.
    std::uint64_t calls_per_identity = 0;
    /// For all identities together, in one UTC day.
    std::uint64_t calls_per_day = 0;
    /// Whoever asks gets them. A new key is then a new identity, so that the day's limit is the
    /// only bound.
    bool anyone = false;
    /// Who gets them otherwise: being in this list is the proof.
    std::set<Address> listed;
};

/// "gift:0xprovider:0xuser": calls that the provider gave by itself; never settled on the chain.
[[nodiscard]] PayerAccount gift_account(const Address& provider, const Address& user);
/// The user of a "gift:" account. Error: invalid_input for another kind.
[[nodiscard]] Result<Address> parse_gift_account(const PayerAccount& account);

/// The free calls that a provider gives by rule. They are counted in the ledger like a trial's
/// (`kTrialAsset`), durably, and nobody can withdraw them. Single threaded; the ledger and the
/// clock outlive it.
class AutomaticTrials {
  public:
    AutomaticTrials(Ledger& ledger, const Clock& clock, Address provider, AutomaticTrialRules rules)
        : ledger_(ledger), clock_(clock), provider_(provider), rules_(std::move(rules)) {}

    /// Where a free call comes from.
    struct Source {
        PayerAccount account;
        /// Of all identities, today.
        CounterClaim day;
    };
    /// None if the rules give this user nothing (any more, or today).
    [[nodiscard]] std::optional<Source> find(const Address& user);
    /// As given.
    [[nodiscard]] const AutomaticTrialRules& rules() const { return rules_; }
    /// Calls of all identities today.
    [[nodiscard]] std::uint64_t used_today() const;

  private:
    [[nodiscard]] CounterClaim day_claim() const;

    Ledger& ledger_;
    const Clock& clock_;
    Address provider_;
    AutomaticTrialRules rules_;
    /// Whose account the ledger was told of since the start.
    std::unordered_set<Address> known_;
};

}  // namespace decloud::payments
