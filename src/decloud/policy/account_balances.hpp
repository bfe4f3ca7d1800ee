#pragma once

#include "decision.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>

namespace decloud::policy {

/// How long balances are remembered, and how many.
struct AccountBalancesSettings {
    /// What the file calls the currency.
    std::string currency = "USDC";
    std::chrono::seconds life{60};
    /// One that could not be found out is asked again after this.
    std::chrono::seconds failed_life{5};
    std::chrono::seconds timeout{5};
    std::size_t max_accounts = 10'000;
    /// Questions at the same time; what comes beyond them is not known.
    std::size_t max_asking = 16;
};

/// Asks what an account has. Errors: whatever keeps it from knowing.
using BalanceOf = std::function<async::Task<Result<Amount>>(Address account)>;

/// The balances of Ethereum accounts, asked for when a policy requires one, and remembered for a
/// while in bounded memory: what was asked for last stays longest. Single threaded.
class AccountBalances final : public FactsView {
  public:
    /// `clock` outlives this.
    AccountBalances(
        BalanceOf balance_of, const Clock& clock, AccountBalancesSettings settings = {});

    [[nodiscard]] Facts facts(const Credential& credential) const override;
    [[nodiscard]] async::Task<void> learn(std::vector<Credential> credentials) override;
    /// Accounts that are remembered.
    [[nodiscard]] std::size_t size() const { return known_.size(); }

  private:
    struct Entry {
        std::optional<Amount> balance;
        UnixSeconds asked{};
        std::list<std::string>::iterator place;
    };
    [[nodiscard]] bool is_fresh(const Entry& entry) const;
    [[nodiscard]] async::Task<void> ask(std::string id, Address account);
    void keep(const std::string& id, std::optional<Amount> balance);

    BalanceOf balance_of_;
    const Clock& clock_;
    AccountBalancesSettings settings_;
    std::unordered_map<std::string, Entry> known_;
    /// The one that was asked for last is at the end.
    std::list<std::string> order_;
    std::size_t asking_ = 0;
};

}  // namespace decloud::policy
