#include "account_balances.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <utility>

namespace decloud::policy {

AccountBalances::AccountBalances(
    BalanceOf balance_of, const Clock& clock, AccountBalancesSettings settings)
    : balance_of_(std::move(balance_of)), clock_(clock), settings_(std::move(settings)) {}

bool AccountBalances::is_fresh(const Entry& entry) const {
    const std::chrono::seconds life = entry.balance ? settings_.life : settings_.failed_life;
    const std::uint64_t now = clock_.unix_seconds().value;
    return now < entry.asked.value + static_cast<std::uint64_t>(life.count());
}

Facts AccountBalances::facts(const Credential& credential) const {
    const auto found = known_.find(credential.id);
    if (found == known_.end()) {
        return {};
    }
    const Entry& entry = found->second;
    if (!entry.balance || !is_fresh(entry)) {
        return {};
    }
    Facts facts;
    facts.balance = Money{.currency = settings_.currency, .amount = *entry.balance};
    return facts;
}

async::Task<void> AccountBalances::learn(std::vector<Credential> credentials) {
    for (const Credential& credential : credentials) {
        if (credential.kind != "ethereum") {
            continue;
        }
        const auto found = known_.find(credential.id);
        const auto account = parse_address(credential.id);
        const bool is_known = found != known_.end() && is_fresh(found->second);
        if (account && !is_known && asking_ < settings_.max_asking) {
            co_await ask(credential.id, *account);
        }
    }
}

async::Task<void> AccountBalances::ask(std::string id, Address account) {
    struct Asking {
        explicit Asking(std::size_t& running) : count(running) { ++count; }
        ~Asking() { --count; }
        Asking(const Asking&) = delete;
        Asking& operator=(const Asking&) = delete;
        std::size_t& count;
    };
    const Asking asking(asking_);
    const auto balance = co_await async::with_timeout(settings_.timeout, balance_of_(account));
    if (!balance) {
        log::warning("policy", "the balance of {} is not known: {}", id, balance.error().message());
    }
    keep(id, balance ? std::optional(*balance) : std::nullopt);
}

void AccountBalances::keep(const std::string& id, std::optional<Amount> balance) {
    const auto [found, is_new] = known_.try_emplace(id);
    Entry& entry = found->second;
    if (is_new) {
        entry.place = order_.insert(order_.end(), id);
    } else {
        order_.splice(order_.end(), order_, entry.place);
    }
    entry.balance = balance;
    entry.asked = clock_.unix_seconds();
    while (known_.size() > settings_.max_accounts) {
        known_.erase(order_.front());
        order_.pop_front();
    }
}

}  // namespace decloud::policy
