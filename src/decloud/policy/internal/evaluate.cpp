#include "evaluate.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace decloud::policy::internal {

namespace {

constexpr std::uint32_t kAboveAll = 255;
constexpr auto kAccess = static_cast<std::size_t>(Command::access);
constexpr Amount kMostAmount{std::numeric_limits<Uint128>::max()};

/// `each` × `count`, at most all there is.
Amount times(Amount each, std::uint64_t count) { return each.times(count).value_or(kMostAmount); }

Amount plus(Amount one, Amount other) { return one.plus(other).value_or(kMostAmount); }

/// `percent` of an amount, rounded up.
Amount part_of(Amount amount, std::uint32_t percent) {
    const Uint128 units = amount.units();
    return Amount(units / 100 * percent + (units % 100 * percent + 99) / 100);
}

std::uint32_t minute_of_day(UnixSeconds time) {
    return static_cast<std::uint32_t>(time.value % 86'400 / 60);
}

bool has_money(const std::optional<Money>& wanted, const std::optional<Money>& known) {
    return !wanted ||
           (known && known->currency == wanted->currency && known->amount >= wanted->amount);
}

}  // namespace

Candidate::Candidate(const Rule& of)
    : rule(&of),
      level(static_cast<std::uint8_t>(1 + 3 * static_cast<unsigned>(of.who_level()))),
      is_final_deny(of.access == Access::deny && of.who_level() != WhoLevel::anybody),
      is_conditional(of.band || (of.group && !of.kind.empty())) {
    for (std::size_t i = 0; i < kCommands; ++i) {
        if (of.carries(static_cast<Command>(i))) {
            commands = static_cast<std::uint8_t>(commands | (1U << i));
        }
    }
}

Evaluation::Evaluation(const Question& question, Access standard)
    : question_(question), standard_(standard) {
    askers_.reserve(question.credentials.size());
    for (const Credential& credential : question.credentials) {
        askers_.push_back({.credential = &credential, .asked = false, .score = {}});
    }
}

std::optional<std::uint32_t> Evaluation::score(const Asker& asker) const {
    if (!asker.asked) {
        asker.asked = true;
        if (question_.reputation != nullptr) {
            asker.score = question_.reputation->score(asker.credential->id);
        }
    }
    return asker.score;
}

std::optional<std::uint32_t> Evaluation::best_score() const {
    std::optional<std::uint32_t> best;
    for (const Asker& asker : askers_) {
        best = std::max(best, score(asker));
    }
    return best;
}

bool Evaluation::fits(const Rule& rule, const Asker* asker) const {
    if (asker != nullptr && !rule.kind.empty() && rule.kind != asker->credential->kind) {
        return false;
    }
    if (!rule.band) {
        return true;
    }
    const auto holds = [&](const Asker& one) {
        const auto known = score(one);
        return known && rule.band->holds(*known);
    };
    return asker != nullptr ? holds(*asker) : std::ranges::any_of(askers_, holds);
}

void Evaluation::consider(
    const Candidate& candidate, const Asker* asker, std::uint32_t what_level) {
    if (candidate.is_conditional && !fits(*candidate.rule, asker)) {
        return;
    }
    const std::uint32_t level = candidate.level + what_level;
    for (std::uint32_t left = candidate.commands; left != 0; left &= left - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(left));
        const bool is_final = candidate.is_final_deny && i == kAccess;
        const std::uint32_t here = is_final ? kAboveAll : level;
        Winners& winners = decision_.winners[i];
        if (here > levels_[i]) {
            levels_[i] = here;
            winners.clear();
        }
        // The same rule may be found by several credentials.
        if (here == levels_[i] && std::ranges::find(winners, candidate.rule) == winners.end()) {
            winners.push_back(candidate.rule);
        }
    }
}

bool Evaluation::holds(const When& when) const {
    if (when.minutes) {
        const auto [from, to] = *when.minutes;
        const std::uint32_t now = minute_of_day(question_.time);
        if (from < to ? now < from || now >= to : now < from && now >= to) {
            return false;
        }
    }
    if ((when.load_at_least && question_.load < *when.load_at_least) ||
        (when.load_below && question_.load >= *when.load_below)) {
        return false;
    }
    return !when.reputation_at_least || best_score() >= when.reputation_at_least;
}

bool Evaluation::meets(const Require& require) const {
    const bool needs_facts = require.balance || require.age || require.fees;
    return std::ranges::any_of(askers_, [&](const Asker& asker) {
        const Credential& credential = *asker.credential;
        if (!require.kinds.empty() &&
            std::ranges::find(require.kinds, credential.kind) == require.kinds.end()) {
            return false;
        }
        if (require.reputation && score(asker) < require.reputation) {
            return false;
        }
        if (!needs_facts) {
            return true;
        }
        const Facts facts =
            question_.facts == nullptr ? Facts{} : question_.facts->facts(credential);
        return has_money(require.balance, facts.balance) && has_money(require.fees, facts.fees) &&
               (!require.age || facts.age >= require.age);
    });
}

Amount Evaluation::least_of(const MinPayment& payment) const {
    return times(payment.least.amount, payment.per_unit ? question_.units : 1);
}

bool Evaluation::pays_enough(const Rule& rule) const {
    if (!question_.amount || question_.is_quoted) {
        return true;
    }
    bool takes_currency = false;
    for (const MinPayment& payment : rule.min_payments) {
        if (payment.least.currency == question_.currency) {
            takes_currency = true;
            if (*question_.amount < least_of(payment)) {
                return false;
            }
        }
    }
    return takes_currency;
}

bool Evaluation::may_defer(const Defer& defer) const {
    if (defer.limit.amount.is_zero() || defer.limit.currency != question_.currency) {
        return false;
    }
    if (question_.amount && *question_.amount > defer.limit.amount) {
        return false;
    }
    const auto most = static_cast<std::uint64_t>(defer.time.count());
    return !question_.due || question_.due->value <= question_.time.value + most;
}

const Rates& Evaluation::rates_of(const Price& price) const {
    const auto step =
        std::ranges::find_if(price.steps, [&](const PriceStep& one) { return holds(one.when); });
    return step == price.steps.end() ? price.rates : step->rates;
}

Amount Evaluation::price_at(const Rates& rates) const {
    Amount price = plus(rates.base, times(rates.per_unit, question_.units));
    for (const auto& [unit, amount] : rates.per) {
        price = plus(price, times(amount, units_of(question_, unit)));
    }
    return price;
}

std::uint32_t Evaluation::below(const Accept& accept) const {
    const auto step =
        std::ranges::find_if(accept.steps, [&](const AcceptStep& one) { return holds(one.when); });
    return step == accept.steps.end() ? accept.below_percent : step->below_percent;
}

void Evaluation::quote() {
    if (question_.is_quoted) {
        decision_.least_bid = question_.service_price;
        return;
    }
    for (const Rule* rule : decision_.of(Command::min_payment)) {
        for (const MinPayment& payment : rule->min_payments) {
            if (payment.least.currency == question_.currency) {
                decision_.least_payment = std::max(decision_.least_payment, least_of(payment));
            }
        }
    }
    for (const Rule* rule : decision_.of(Command::price)) {
        if (rule->price && rule->price->currency == question_.currency) {
            const Rates& rates = rates_of(*rule->price);
            const Amount price = price_at(rates);
            if (!decision_.quote || price > *decision_.quote) {
                decision_.quote = price;
                decision_.rates = &rates;
            }
        }
    }
    const auto basis = decision_.quote ? decision_.quote : question_.service_price;
    if (!basis) {
        return;
    }
    std::uint32_t discount = decision_.of(Command::accept).empty() ? 0 : 100;
    for (const Rule* rule : decision_.of(Command::accept)) {
        if (rule->accept) {
            discount = std::min(discount, below(*rule->accept));
        }
    }
    decision_.least_bid = part_of(*basis, 100 - discount);
}

bool Evaluation::refuses(Command command, Verdict verdict, auto passes) {
    for (const Rule* rule : decision_.of(command)) {
        if (!passes(*rule)) {
            decision_.verdict = verdict;
            decision_.command = command;
            decision_.rule = rule;
            return true;
        }
    }
    return false;
}

bool Evaluation::settles_access() {
    const auto allows = [](const Rule& rule) { return rule.access == Access::allow; };
    if (refuses(Command::access, Verdict::denied, allows)) {
        return true;
    }
    const Winners& winners = decision_.of(Command::access);
    decision_.rule = winners.empty() ? nullptr : winners.front();
    if (winners.empty() && standard_ == Access::deny) {
        decision_.verdict = Verdict::denied;
        return true;
    }
    return false;
}

Decision Evaluation::finish() && {
    quote();
    if (settles_access()) {
        return std::move(decision_);
    }
    const bool defers = question_.payment == protocol::PaymentHeader::Type::deferred;
    if (refuses(Command::require, Verdict::unmet,
            [&](const Rule& rule) { return !rule.require || meets(*rule.require); }) ||
        refuses(Command::max_work, Verdict::too_much_work, [&](const Rule& rule) {
            return !rule.max_work ||
                   units_of(question_, rule.max_work->unit) <= rule.max_work->amount;
        })) {
        return std::move(decision_);
    }
    if (defers && decision_.of(Command::defer).empty()) {
        decision_.verdict = Verdict::no_defer;
        decision_.command = Command::defer;
        decision_.rule = nullptr;
        return std::move(decision_);
    }
    if (defers && refuses(Command::defer, Verdict::no_defer,
                      [&](const Rule& rule) { return rule.defer && may_defer(*rule.defer); })) {
        return std::move(decision_);
    }
    if (refuses(Command::min_payment, Verdict::too_low,
            [&](const Rule& rule) { return pays_enough(rule); })) {
        return std::move(decision_);
    }
    if (defers && question_.amount && decision_.least_bid &&
        *question_.amount < *decision_.least_bid) {
        const Winners& accepting = decision_.of(Command::accept);
        const Winners& pricing = decision_.of(Command::price);
        const bool by_accept = !accepting.empty();
        decision_.verdict = Verdict::too_low;
        decision_.command = by_accept ? Command::accept : Command::price;
        const Winners& winners = by_accept ? accepting : pricing;
        decision_.rule = winners.empty() ? nullptr : winners.front();
    }
    return std::move(decision_);
}

}  // namespace decloud::policy::internal
