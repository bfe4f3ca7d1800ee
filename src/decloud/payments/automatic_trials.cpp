#include "automatic_trials.hpp"

#include <decloud/base/log.hpp>

#include <string_view>

namespace decloud::payments {

namespace {

constexpr std::uint64_t kDaySeconds = 86'400;
constexpr std::string_view kPrefix = "gift:";

}  // namespace

PayerAccount gift_account(const Address& provider, const Address& user) {
    return {std::string(kPrefix) + to_string(provider) + ":" + to_string(user)};
}

Result<Address> parse_gift_account(const PayerAccount& account) {
    const std::size_t colon = account.text.rfind(':');
    if (!account.text.starts_with(kPrefix) || colon < kPrefix.size()) {
        return fail(CommonError::invalid_input, account.text + " is no account of given calls");
    }
    return parse_address(account.text.substr(colon + 1));
}

CounterClaim AutomaticTrials::day_claim() const {
    const UnixSeconds now = clock_.unix_seconds();
    const std::string day = format_utc(now).substr(0, std::string_view("2026-11-21").size());
    return {"gifts|day:" + day, rules_.calls_per_day,
        UnixSeconds{(now.value / kDaySeconds + 1) * kDaySeconds}};
}

std::uint64_t AutomaticTrials::used_today() const { return ledger_.counter(day_claim().key); }

std::optional<AutomaticTrials::Source> AutomaticTrials::find(const Address& user) {
    if (rules_.calls_per_identity == 0 || (!rules_.anyone && !rules_.listed.contains(user))) {
        return std::nullopt;
    }
    Source source{gift_account(provider_, user), day_claim()};
    // Also so that a flood of new keys adds nothing to the ledger.
    if (ledger_.counter(source.day.key) >= rules_.calls_per_day) {
        return std::nullopt;
    }
    if (!known_.contains(user)) {
        const Spent spent = ledger_.spent(source.account);
        ChannelState state;
        state.asset = {std::string(kTrialAsset)};
        state.owner = to_string(user);
        state.reserved = Amount(rules_.calls_per_identity);
        // No chain takes what was given: it is settled as it is.
        state.claimed_on_chain = spent.amount;
        state.calls_on_chain = spent.calls;
        state.price = Amount(1);
        if (const auto told = ledger_.record_chain(source.account, std::move(state)); !told) {
            log::warning("payments", "{} gets no free call: {}", source.account.text,
                told.error().message());
            return std::nullopt;
        }
        known_.insert(user);
    }
    if (ledger_.spendable(source.account).is_zero()) {
        return std::nullopt;
    }
    return source;
}

}  // namespace decloud::payments
