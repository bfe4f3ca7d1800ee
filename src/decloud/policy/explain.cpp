#include "policy.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace decloud::policy {

namespace {

std::string text_of(const Money& money) { return to_string(money.amount) + " " + money.currency; }

std::string text_of(const Require& require) {
    std::string out;
    const auto add = [&](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
    if (!require.kinds.empty()) {
        add(fmt::format("a credential of kind {}", fmt::join(require.kinds, " or ")));
    }
    if (require.balance) {
        add("a balance of " + text_of(*require.balance));
    }
    if (require.age) {
        add(fmt::format("an age of {} s", require.age->count()));
    }
    if (require.fees) {
        add("paid fees of " + text_of(*require.fees));
    }
    if (require.reputation) {
        add(fmt::format("a reputation of {}", *require.reputation));
    }
    return out;
}

std::string text_of(const RateLimit& limit) {
    std::string out;
    if (limit.per_second > 0) {
        out = fmt::format("{} per second (at once: {})", limit.per_second, limit.burst);
    }
    if (limit.per_day > 0) {
        out += fmt::format("{}{} per day", out.empty() ? "" : ", ", limit.per_day);
    }
    return out + (limit.per_client ? ", by address" : "");
}

std::string text_of(const Defer& defer) {
    if (defer.limit.amount.is_zero()) {
        return "none";
    }
    return fmt::format("{} for {} s, {} from everybody", text_of(defer.limit), defer.time.count(),
        to_string(defer.total));
}

std::string text_of(const std::vector<MinPayment>& payments) {
    std::string out;
    for (const MinPayment& payment : payments) {
        out += fmt::format("{}{} per {}", out.empty() ? "" : " or ", text_of(payment.least),
            payment.per_unit ? "unit" : "call");
    }
    return out;
}

std::string per_unit_text(const Rates& rates) {
    std::string out = to_string(rates.per_unit);
    for (const auto& [unit, amount] : rates.per) {
        out += fmt::format(", {} per {}", to_string(amount), unit);
    }
    return out;
}

std::string count_text(std::uint64_t count, std::string_view unit) {
    return fmt::format("{} {}", count, unit.empty() ? "units" : unit);
}

std::string text_of(const MaxWork& most) { return count_text(most.amount, most.unit); }

std::string work_of(const Question& question, const MaxWork& most) {
    return count_text(units_of(question, most.unit), most.unit);
}

/// What a rule says for a command, in the words of the file.
std::string value_of(const Rule& rule, Command command) {
    switch (command) {
        case Command::access:
            return rule.access == Access::deny ? "deny" : "allow";
        case Command::min_payment:
            return text_of(rule.min_payments);
        case Command::rate_limit:
            return rule.rate_limit ? text_of(*rule.rate_limit) : "";
        case Command::defer:
            return rule.defer ? text_of(*rule.defer) : "";
        case Command::max_work:
            return rule.max_work ? text_of(*rule.max_work) : "";
        case Command::require:
            return rule.require ? text_of(*rule.require) : "";
        case Command::price:
            return !rule.price
                       ? ""
                       : fmt::format("{} + {} per unit of {}, {} conditions",
                             to_string(rule.price->rates.base), per_unit_text(rule.price->rates),
                             rule.price->currency, rule.price->steps.size());
        case Command::accept:
            return !rule.accept ? ""
                                : fmt::format("{} % below the quote, {} conditions",
                                      rule.accept->below_percent, rule.accept->steps.size());
    }
    return "";
}

std::string place_of(const Rule& rule) {
    const std::string plain = fmt::format("rule at line {}", rule.line);
    return rule.name == plain ? plain : fmt::format("\"{}\" (line {})", rule.name, rule.line);
}

/// What is missing that nobody at this node can tell.
std::string nobody_tells(const Require& require, const Question& question) {
    std::string out;
    if (require.reputation && question.reputation == nullptr) {
        out += "; nobody tells this node reputations yet, so that none is enough";
    }
    if ((require.balance || require.age || require.fees) && question.facts == nullptr) {
        out += "; nobody tells this node balances, ages and fees yet, so that none is enough";
    }
    return out;
}

std::string low_text(const Decision& decision, const Question& question) {
    const std::string paid =
        question.amount ? fmt::format("{} {}", to_string(*question.amount), question.currency)
                        : "the payment";
    if (decision.command == Command::min_payment && decision.rule != nullptr) {
        return fmt::format("{} for {} units is less than min-payment {} of {}", paid,
            question.units, text_of(decision.rule->min_payments), place_of(*decision.rule));
    }
    return fmt::format("{} is less than the least bid of {}{}", paid,
        to_string(decision.least_bid.value_or(Amount())),
        decision.rule == nullptr ? "" : ", by " + place_of(*decision.rule));
}

}  // namespace

std::uint64_t units_of(const Question& question, std::string_view unit) {
    if (unit.empty()) {
        return question.units;
    }
    return protocol::count_of(
        question.work == nullptr ? protocol::UnitCounts() : *question.work, unit);
}

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::allowed:
            return "allowed";
        case Verdict::denied:
            return "denied";
        case Verdict::unmet:
            return "requirement not met";
        case Verdict::too_much_work:
            return "too much work";
        case Verdict::no_defer:
            return "no-defer";
        case Verdict::too_low:
            return "too-low";
    }
    return "";
}

std::string describe(const Decision& decision, const Question& question) {
    const std::string rule =
        decision.rule == nullptr ? "the file's default" : place_of(*decision.rule);
    switch (decision.verdict) {
        case Verdict::allowed:
            return "allowed by " + rule;
        case Verdict::denied:
            return "denied by " + rule;
        case Verdict::unmet:
            return decision.rule == nullptr || !decision.rule->require
                       ? ""
                       : fmt::format("{} requires {} of one credential{}", rule,
                             text_of(*decision.rule->require),
                             nobody_tells(*decision.rule->require, question));
        case Verdict::too_much_work:
            return decision.rule == nullptr || !decision.rule->max_work
                       ? ""
                       : fmt::format("{} are more than max-work {} of {}",
                             work_of(question, *decision.rule->max_work),
                             text_of(*decision.rule->max_work), rule);
        case Verdict::no_defer:
            return decision.rule == nullptr || !decision.rule->defer
                       ? "no rule that fits lets anybody pay later"
                       : fmt::format("{} lets pay later: {}", rule, text_of(*decision.rule->defer));
        case Verdict::too_low:
            return low_text(decision, question);
    }
    return "";
}

std::string tell_caller(const Decision& decision, const Question& question) {
    const Rule* rule = decision.rule;
    switch (decision.verdict) {
        case Verdict::allowed:
            return "";
        case Verdict::denied:
            return rule == nullptr || rule->reason.empty()
                       ? "this node's policy does not serve this request"
                       : rule->reason;
        case Verdict::unmet:
            return rule == nullptr || !rule->require
                       ? ""
                       : "this node requires " + text_of(*rule->require) + " of one credential";
        case Verdict::too_much_work:
            return rule == nullptr || !rule->max_work
                       ? ""
                       : fmt::format("{} are more than this node does in one request: {}",
                             work_of(question, *rule->max_work), text_of(*rule->max_work));
        case Verdict::no_defer:
            return rule == nullptr || !rule->defer || rule->defer->limit.amount.is_zero()
                       ? "this node lets you not pay later"
                       : "this node lets you pay later: " + text_of(*rule->defer);
        case Verdict::too_low:
            return decision.command == Command::min_payment && rule != nullptr
                       ? "this node asks for at least " + text_of(rule->min_payments)
                       : fmt::format("this node asks for at least {} {}",
                             to_string(decision.least_bid.value_or(Amount())), question.currency);
    }
    return "";
}

json::Object explain(const Decision& decision, const Question& question) {
    json::Object out{{"verdict", to_string(decision.verdict)},
        {"why", describe(decision, question)}, {"decidedBy", to_string(decision.command)}};
    if (decision.rule != nullptr) {
        out["rule"] = decision.rule->name;
        out["line"] = decision.rule->line;
    }
    json::Array commands;
    for (std::size_t i = 0; i < kCommands; ++i) {
        const auto command = static_cast<Command>(i);
        for (const Rule* rule : decision.winners[i]) {
            commands.emplace_back(json::Object{{"command", to_string(command)},
                {"rule", rule->name}, {"line", rule->line}, {"says", value_of(*rule, command)}});
        }
    }
    out["commands"] = std::move(commands);
    if (decision.quote) {
        out["quote"] = to_string(*decision.quote);
    }
    if (decision.least_bid) {
        out["leastBid"] = to_string(*decision.least_bid);
    }
    return out;
}

}  // namespace decloud::policy
