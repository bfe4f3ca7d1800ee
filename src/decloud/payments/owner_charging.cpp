#include "owner_charging.hpp"

#include "ledger_hold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace decloud::payments {

using protocol::AcceptablePayment;
using protocol::Checked;
using protocol::HoldOutcome;
using protocol::OwnerPays;
using protocol::Status;
using protocol::Terms;

namespace {

constexpr std::uint64_t kDaySeconds = 86'400;

std::vector<AcceptablePayment> acceptable_payments(
    const EscrowCharging& charging, const Terms& terms) {
    if (terms.asset != charging.asset) {
        return {};
    }
    return {{"attached", "authorization", terms.asset, terms.max_price}};
}

std::string approve_command(const EscrowCharging& charging, Amount price) {
    return "decloud escrow approve " + charging.provider_name + " --price " + format_usdc(price) +
           " --budget 5";
}

std::string pay_command(const Terms& terms) {
    return "decloud call --pay " + terms.subject + " pays from your own channel";
}

std::unexpected<protocol::Problem> payment_refused(const EscrowCharging& charging,
    const Terms& terms,
    Status status,
    std::string detail,
    std::string help) {
    return std::unexpected(protocol::payment_required(
        status, std::move(detail), std::move(help), acceptable_payments(charging, terms)));
}

/// What raises the bound that is too low: what was signed for this call, or the channel's price.
std::string higher_price_command(
    const EscrowCharging& charging, const Terms& terms, Amount signed_price, bool by_caller) {
    const std::string price = format_usdc(terms.max_price);
    if (terms.max_price <= signed_price) {
        return approve_command(charging, terms.max_price);
    }
    if (by_caller) {
        return "decloud call --pay --max-price " + price + " " + terms.subject;
    }
    return "the owner sets price = \"" + price + "\" in decloud.toml and runs decloud deploy again";
}

/// A repeat if the ledger knows the key.
std::optional<HoldOutcome> find_repeat(
    const EscrowCharging& charging, const SingleUse& single_use) {
    const auto used = charging.ledger.idempotency(single_use.key);
    if (!used) {
        return std::nullopt;
    }
    HoldOutcome outcome;
    outcome.repeat = protocol::Repeat{.key = single_use.key,
        .receipt = used->receipt ? to_string(*used->receipt) : "",
        .same_request = used->request_digest == single_use.request_digest};
    return outcome;
}

HoldRequest hold_request(PayerAccount account,
    AssetId asset,
    Amount amount,
    const std::optional<SingleUse>& single_use,
    std::vector<CounterClaim> counters,
    std::string call_id) {
    HoldRequest request;
    request.payer = std::move(account);
    request.asset = std::move(asset);
    request.max = amount;
    request.call_id = std::move(call_id);
    request.counters = std::move(counters);
    if (single_use) {
        request.idempotency_key = single_use->key;
        request.expires = single_use->expires;
        request.request_digest = single_use->request_digest;
    }
    return request;
}

HoldOutcome held(EscrowCharging& charging,
    HoldId id,
    const Address& payer,
    Amount amount,
    bool counts_calls,
    const std::optional<SingleUse>& single_use) {
    HoldOutcome outcome;
    outcome.hold = std::make_unique<LedgerHold>(charging.ledger, id, payer, amount, counts_calls,
        IntervalBounds{
            .most = single_use ? single_use->most : std::nullopt, .channels = &charging.channels});
    outcome.key = single_use ? single_use->key : std::string();
    return outcome;
}

/// "|day:2026-11-21", made once a day: this is asked for each call.
const std::string& day_suffix(std::uint64_t day) {
    thread_local std::uint64_t made_for = 0;
    thread_local std::string suffix;
    if (suffix.empty() || made_for != day) {
        const std::chrono::year_month_day date{
            std::chrono::sys_days{std::chrono::days{static_cast<std::int64_t>(day)}}};
        suffix = fmt::format("|day:{:04}-{:02}-{:02}", static_cast<int>(date.year()),
            static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
        made_for = day;
    }
    return suffix;
}

std::vector<CounterClaim> owner_counters(
    const std::string& subject, const OwnerPays& pays, const Caller& caller, UnixSeconds now) {
    const std::uint64_t day = now.value / kDaySeconds;
    const UnixSeconds tomorrow{(day + 1) * kDaySeconds};
    const std::string& suffix = day_suffix(day);
    std::vector<CounterClaim> claims;
    claims.push_back({subject + suffix, pays.per_day, tomorrow});
    if (pays.per_caller) {
        claims.push_back({subject + "|caller:" + caller.text + suffix, *pays.per_caller, tomorrow});
    }
    if (pays.total) {
        claims.push_back({subject + "|total", *pays.total, std::nullopt});
    }
    return claims;
}

/// A call that costs nobody anything: of the payer's trial on the chain, or of what the provider
/// gives by itself. None if there is no such call.
async::Task<std::optional<HoldOutcome>> hold_free_call(EscrowCharging& charging,
    Address payer,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Terms& terms,
    std::optional<PayerAccount> trial,
    std::optional<AutomaticTrials::Source> gift,
    std::optional<SingleUse> single_use,
    std::vector<CounterClaim> counters,
    std::string call_id) {
    std::vector<std::pair<PayerAccount, std::vector<CounterClaim>>> sources;
    if (trial) {
        sources.emplace_back(std::move(*trial), counters);
    }
    if (gift) {
        counters.push_back(std::move(gift->day));
        sources.emplace_back(std::move(gift->account), std::move(counters));
    }
    for (auto& [account, claims] : sources) {
        const auto id = co_await charging.ledger.acquire(hold_request(std::move(account),
            AssetId{std::string(kTrialAsset)}, Amount(1), single_use, std::move(claims), call_id));
        if (id) {
            co_return held(charging, *id, payer, terms.max_price, true, single_use);
        }
        if (id.error() == make_error_code(PaymentError::already_used) && single_use) {
            if (auto repeat = find_repeat(charging, *single_use)) {
                co_return std::move(*repeat);
            }
        }
    }
    co_return std::nullopt;
}

/// Whoever has signed the request; else its address.
Caller caller_of(const protocol::Call& call) {
    Caller caller{call.client, std::nullopt};
    for (const protocol::Credential& credential : call.credentials) {
        if (credential.kind == "opencloud") {
            caller.ids.push_back(credential.id);
        } else if (const auto account = parse_address(credential.id);
            account && credential.kind == "ethereum" && !caller.account) {
            caller.account = *account;
        }
    }
    if (!caller.ids.empty()) {
        caller.text = caller.ids.front();
    }
    return caller;
}

class OwnerMethod final : public protocol::PaymentMethod {
  public:
    explicit OwnerMethod(EscrowCharging& charging) : charging_(charging) {}

    [[nodiscard]] std::string_view name() const override { return "owner"; }

    [[nodiscard]] bool handles(const protocol::Call& call, const Terms& terms) const override {
        return call.payment.type == protocol::PaymentHeader::Type::none && terms.sponsor &&
               !terms.max_price.is_zero() && terms.asset == charging_.asset;
    }

    [[nodiscard]] bool needs_digest() const override { return false; }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold(
        protocol::PaymentRequest request) override {
        const Terms& terms = *request.terms;
        auto sponsored = sponsored_call(charging_, terms, caller_of(*request.call));
        if (!sponsored) {
            co_return std::unexpected(std::move(sponsored.error()));
        }
        co_return co_await hold_from_payer(charging_, sponsored->owner, terms, sponsored->max_price,
            std::nullopt, std::move(sponsored->counters), std::string());
    }

    [[nodiscard]] std::vector<AcceptablePayment> acceptable(const Terms& /*terms*/) const override {
        return {};
    }

  private:
    EscrowCharging& charging_;
};

}  // namespace

std::unexpected<protocol::Problem> refusal_of(
    const EscrowCharging& charging, const Terms& terms, const Address& payer, const Error& error) {
    const std::string who = to_string(payer);
    if (error == make_error_code(PaymentError::insufficient_funds)) {
        return payment_refused(charging, terms, Status::payment_too_low,
            "the budget of " + who + " for " + charging.provider_name +
                " is used up: " + error.detail(),
            "decloud escrow increase " + charging.provider_name + " AMOUNT");
    }
    if (error == make_error_code(PaymentError::counter_exhausted)) {
        return payment_refused(charging, terms, Status::payment_acceptable,
            "the calls that the owner pays for others are used up, for today or in all",
            pay_command(terms) + "; the owner can raise [ownerPays] in decloud.toml");
    }
    if (error == make_error_code(PaymentError::payer_stopped)) {
        return payment_refused(charging, terms, Status::payment_acceptable,
            "nothing more is served from the channel of " + who + ": " + error.detail(),
            approve_command(charging, terms.max_price));
    }
    if (error == make_error_code(PaymentError::exposure_limit)) {
        return protocol::refuse(503, Status::server_error,
            "the provider has reached its limit of unsettled calls; nothing was charged");
    }
    if (error == make_error_code(PaymentError::overloaded)) {
        auto refusal = protocol::refuse(
            503, Status::server_error, "too many paid calls at once; nothing was charged");
        refusal.error().headers.emplace_back("Retry-After", "1");
        return refusal;
    }
    if (error == make_error_code(PaymentError::expired)) {
        return protocol::refuse(401, Status::invalid_signature, "the payment has expired");
    }
    return std::unexpected(protocol::problem_from(error));
}

async::Task<Checked<HoldOutcome>> hold_from_payer(EscrowCharging& charging,
    Address payer,
    const Terms& terms,
    Amount max_price,
    std::optional<SingleUse> single_use,
    std::vector<CounterClaim> counters,
    std::string call_id) {
    if (const auto reason = charging.channels.suspended()) {
        auto refusal = protocol::refuse(503, Status::server_error, "no paid calls now: " + *reason);
        refusal.error().headers.emplace_back("Retry-After", "10");
        co_return refusal;
    }
    if (single_use) {
        if (auto repeat = find_repeat(charging, *single_use)) {
            co_return std::move(*repeat);
        }
    }
    auto known = charging.channels.find_known(payer);
    if (!known) {
        auto found = co_await charging.channels.find(payer);
        if (!found) {
            co_return protocol::refuse(503, Status::server_error,
                "the chain cannot be asked about this payer now; nothing was charged");
        }
        known = std::move(*found);
    }
    PayerMoney& money = *known;
    if (!terms.pays_debt) {
        auto gift = charging.trials != nullptr ? charging.trials->find(payer) : std::nullopt;
        if (money.trial || gift) {
            if (auto free = co_await hold_free_call(charging, payer, terms, money.trial,
                    std::move(gift), single_use, counters, call_id)) {
                co_return std::move(*free);
            }
        }
    }
    if (!money.channel) {
        co_return payment_refused(charging, terms, Status::payment_acceptable,
            to_string(payer) + " has allowed " + charging.provider_name + " no spending",
            approve_command(charging, terms.max_price));
    }
    // A debt is of many calls, and the payer has signed for all of it.
    const Amount allowed = terms.pays_debt ? max_price : std::min(max_price, money.channel->price);
    if (terms.max_price > allowed) {
        co_return payment_refused(charging, terms, Status::payment_too_low,
            "the call costs " + format_usdc(terms.max_price) + " USDC, more than the " +
                format_usdc(allowed) + " that " + to_string(payer) + " allows",
            higher_price_command(charging, terms, max_price, single_use.has_value()));
    }
    HoldRequest wanted = hold_request(std::move(money.channel->account), terms.asset,
        terms.max_price, single_use, std::move(counters), std::move(call_id));
    auto at_once = charging.ledger.try_acquire(wanted);
    const Result<HoldId> id =
        at_once ? std::move(*at_once) : co_await charging.ledger.acquire(std::move(wanted));
    if (!id) {
        if (id.error() == make_error_code(PaymentError::already_used) && single_use) {
            if (auto repeat = find_repeat(charging, *single_use)) {
                co_return std::move(*repeat);
            }
        }
        co_return refusal_of(charging, terms, payer, id.error());
    }
    co_return held(charging, *id, payer, terms.max_price, false, single_use);
}

namespace {

/// The entry of the owner's list that this caller is. Calls are counted under it, so that further
/// keys, which cost nothing to make, give no further calls.
std::optional<std::string> listed_as(const OwnerPays& pays, const Caller& caller) {
    if (pays.callers != OwnerPays::Callers::list) {
        return std::nullopt;
    }
    for (const std::string& entry : pays.listed) {
        // An owner may write an address with capitals (EIP-55).
        if (const auto account = parse_address(entry)) {
            if (caller.account == *account) {
                return to_string(*account);
            }
        } else if (entry == caller.text ||
                   std::ranges::find(caller.ids, entry) != caller.ids.end()) {
            return entry;
        }
    }
    return std::nullopt;
}

}  // namespace

Checked<SponsoredCall> sponsored_call(
    const EscrowCharging& charging, const Terms& terms, Caller caller) {
    if (!terms.sponsor) {
        return payment_refused(charging, terms, Status::payment_acceptable,
            "nobody has undertaken to pay for this call", pay_command(terms));
    }
    const protocol::Sponsor& sponsor = *terms.sponsor;
    SponsoredCall call{.owner = sponsor.owner, .max_price = sponsor.max_price, .counters = {}};
    if (caller.account == sponsor.owner) {
        return call;
    }
    const OwnerPays& pays = *sponsor.terms;
    const auto listed = listed_as(pays, caller);
    if (pays.callers == OwnerPays::Callers::none ||
        (pays.callers == OwnerPays::Callers::list && !listed)) {
        return payment_refused(charging, terms, Status::payment_acceptable,
            "the owner does not pay for this caller", pay_command(terms));
    }
    if (listed) {
        caller.text = *listed;
    }
    call.counters = owner_counters(terms.subject, pays, caller, charging.clock.unix_seconds());
    return call;
}

std::unique_ptr<protocol::PaymentMethod> make_owner_method(EscrowCharging& charging) {
    return std::make_unique<OwnerMethod>(charging);
}

}  // namespace decloud::payments
