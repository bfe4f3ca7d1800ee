#include "commands.hpp"

#include "../id.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace decloud::policy::internal {

namespace {

constexpr std::uint64_t kBestScore = 1'000'000;
constexpr std::uint64_t kMostPerSecond = 1'000'000;
constexpr std::uint64_t kMostPerDay = 100'000'000'000;
constexpr std::uint64_t kMostLoad = 100'000;
constexpr std::size_t kMostSteps = 32;
constexpr std::size_t kMostCurrencies = 32;
constexpr std::size_t kMostUnits = 16;

Result<void> read_currency(Table& table, std::string& out) {
    TRY_VOID(table.text("currency", out));
    const bool good = !out.empty() && out.size() <= 128 && std::ranges::all_of(out, [](char c) {
        return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
    });
    if (!good) {
        return table.wrong(
            "currency", "must be \"USDC\", \"BTC\", or an asset id such as \"eip155:1/erc20:0x…\"");
    }
    return {};
}

Result<void> read_money(Table& table, Money& out) {
    TRY_VOID(read_currency(table, out.currency));
    if (!table.has("amount")) {
        return table.wrong("amount", "is missing");
    }
    return table.amount("amount", out.amount);
}

Result<void> read_optional_money(Table& table, std::string_view key, std::optional<Money>& out) {
    return table.section(key, [&](Table& inner) {
        out.emplace();
        return read_money(inner, *out);
    });
}

/// "22:00" as minutes.
std::optional<std::uint32_t> parse_clock(std::string_view text) {
    unsigned hours = 0;
    unsigned minutes = 0;
    if (text.size() != 5 || text[2] != ':') {
        return std::nullopt;
    }
    const auto number = [](std::string_view digits, unsigned& out) {
        const auto [rest, error] = std::from_chars(digits.begin(), digits.end(), out);
        return error == std::errc() && rest == digits.end();
    };
    if (!number(text.substr(0, 2), hours) || !number(text.substr(3), minutes) || minutes > 59 ||
        hours * 60 + minutes > 1440) {
        return std::nullopt;
    }
    return hours * 60 + minutes;
}

Result<void> read_hours(Table& table, When& out) {
    std::string hours;
    TRY_VOID(table.text("hours", hours));
    if (hours.empty()) {
        return {};
    }
    const std::size_t dash = hours.find('-');
    const auto from = parse_clock(std::string_view(hours).substr(0, dash));
    const auto to = dash == std::string::npos
                        ? std::nullopt
                        : parse_clock(std::string_view(hours).substr(dash + 1));
    if (!from || !to || *from == *to) {
        return table.wrong("hours", "must be two times of the day in UTC: \"22:00-06:00\"");
    }
    out.minutes = {*from, *to};
    return {};
}

Result<void> read_when(Table& table, When& out) {
    TRY_VOID(read_hours(table, out));
    TRY_VOID(table.number("load-at-least", out.load_at_least, kMostLoad));
    TRY_VOID(table.number("load-below", out.load_below, kMostLoad));
    TRY_VOID(table.number("reputation-at-least", out.reputation_at_least, kBestScore));
    if (!out.minutes && !out.load_at_least && !out.load_below && !out.reputation_at_least) {
        return table.wrong(
            "when", "needs a condition: hours, load-at-least, load-below or reputation-at-least");
    }
    return {};
}

Result<void> read_access(Table& table, Rule& rule) {
    bool allow = false;
    bool deny = false;
    TRY_VOID(table.flag("allow", allow));
    TRY_VOID(table.flag("deny", deny));
    TRY_VOID(table.text("reason", rule.reason));
    if (allow && deny) {
        return table.wrong("deny", "a rule cannot allow and deny");
    }
    if ((table.has("allow") && !allow) || (table.has("deny") && !deny)) {
        return table.wrong(
            allow || !table.has("allow") ? "deny" : "allow", "can only be true: leave it out");
    }
    if (!rule.reason.empty() && !deny) {
        return table.wrong("reason", "only goes with deny = true");
    }
    if (allow || deny) {
        rule.access = deny ? Access::deny : Access::allow;
    }
    return {};
}

Result<void> read_min_payment(Table& table, Rule& rule) {
    return table.sections("min-payment", kMostCurrencies, false, [&](Table& inner) -> Result<void> {
        MinPayment payment;
        TRY_VOID(read_money(inner, payment.least));
        std::string per = "call";
        TRY_VOID(inner.text("per", per));
        if (per != "call" && per != "unit") {
            return inner.wrong("per", "\"call\" or \"unit\"");
        }
        payment.per_unit = per == "unit";
        const bool known = std::ranges::any_of(rule.min_payments, [&](const MinPayment& other) {
            return other.least.currency == payment.least.currency &&
                   other.per_unit == payment.per_unit;
        });
        if (known) {
            return inner.wrong("currency", "is named twice");
        }
        rule.min_payments.push_back(std::move(payment));
        return {};
    });
}

Result<void> read_rate_limit(Table& table, Rule& rule) {
    return table.section("rate-limit", [&](Table& inner) -> Result<void> {
        RateLimit limit;
        std::uint64_t per_second = 0;
        std::uint64_t burst = 0;
        TRY_VOID(inner.number("per-second", per_second, kMostPerSecond));
        TRY_VOID(inner.number("burst", burst, kMostPerSecond));
        TRY_VOID(inner.number("per-day", limit.per_day, kMostPerDay));
        std::string per = "credential";
        TRY_VOID(inner.text("per", per));
        if (per != "credential" && per != "client") {
            return inner.wrong("per", "\"credential\" or \"client\"");
        }
        limit.per_client = per == "client";
        if (per_second == 0 && limit.per_day == 0) {
            return inner.wrong("per-second",
                "per-second or per-day has to be above 0; deny = true "
                "serves nobody");
        }
        if (burst > 0 && per_second == 0) {
            return inner.wrong("burst", "only goes with per-second");
        }
        limit.per_second = static_cast<std::uint32_t>(per_second);
        limit.burst = static_cast<std::uint32_t>(burst == 0 ? per_second : burst);
        rule.rate_limit = limit;
        return {};
    });
}

Result<void> read_defer(Table& table, Rule& rule) {
    return table.section("defer", [&](Table& inner) -> Result<void> {
        Defer defer;
        TRY_VOID(read_money(inner, defer.limit));
        defer.total = defer.limit.amount;
        TRY_VOID(inner.amount("total", defer.total));
        TRY_VOID(inner.duration("time", defer.time));
        if (!defer.limit.amount.is_zero() &&
            (defer.time.count() == 0 || defer.total < defer.limit.amount)) {
            return inner.wrong(defer.time.count() == 0 ? "time" : "total",
                defer.time.count() == 0 ? "is missing: how long a promise may be open"
                                        : "is less than one identity may owe");
        }
        rule.defer = std::move(defer);
        return {};
    });
}

Result<void> read_require(Table& table, Rule& rule) {
    return table.section("require", [&](Table& inner) -> Result<void> {
        Require require;
        TRY_VOID(inner.texts("kind", require.kinds, 16));
        for (std::string& kind : require.kinds) {
            const auto name = normalise_name(kind);
            if (!name) {
                return inner.wrong("kind", name.error().detail());
            }
            kind = *name;
        }
        TRY_VOID(read_optional_money(inner, "balance", require.balance));
        TRY_VOID(read_optional_money(inner, "fees", require.fees));
        if (inner.has("age")) {
            require.age.emplace();
            TRY_VOID(inner.duration("age", *require.age));
        }
        TRY_VOID(inner.number("reputation", require.reputation, kBestScore));
        if (require.kinds.empty() && !require.balance && !require.fees && !require.age &&
            !require.reputation) {
            return inner.wrong("kind", "nothing is required");
        }
        rule.require = std::move(require);
        return {};
    });
}

/// What is not given stays as it is.
Result<void> read_rates(Table& table, Rates& out) {
    TRY_VOID(table.amount("base", out.base));
    TRY_VOID(table.amount("per-unit", out.per_unit));
    return table.amounts("per", out.per, kMostUnits);
}

Result<void> read_price(Table& table, Rule& rule) {
    return table.section("price", [&](Table& inner) -> Result<void> {
        Price price;
        TRY_VOID(read_currency(inner, price.currency));
        if (!inner.has("base") && !inner.has("per-unit") && !inner.has("per")) {
            return inner.wrong("base", "base, per-unit or per is missing");
        }
        TRY_VOID(read_rates(inner, price.rates));
        TRY_VOID(inner.sections("when", kMostSteps, true, [&](Table& line) -> Result<void> {
            PriceStep step{.when = {}, .rates = price.rates};
            TRY_VOID(read_when(line, step.when));
            TRY_VOID(read_rates(line, step.rates));
            price.steps.push_back(std::move(step));
            return {};
        }));
        rule.price = std::move(price);
        return {};
    });
}

Result<void> read_accept(Table& table, Rule& rule) {
    return table.section("accept", [&](Table& inner) -> Result<void> {
        Accept accept;
        const auto percent = [](Table& where, std::uint32_t& out) -> Result<void> {
            if (!where.has("below")) {
                return where.wrong("below", "is missing: percent of the quote");
            }
            std::uint64_t value = 0;
            TRY_VOID(where.number("below", value, 100));
            out = static_cast<std::uint32_t>(value);
            return {};
        };
        TRY_VOID(percent(inner, accept.below_percent));
        TRY_VOID(inner.sections("when", kMostSteps, true, [&](Table& line) -> Result<void> {
            AcceptStep step;
            TRY_VOID(read_when(line, step.when));
            TRY_VOID(percent(line, step.below_percent));
            accept.steps.push_back(step);
            return {};
        }));
        rule.accept = std::move(accept);
        return {};
    });
}

/// `max-work = 100`, or `{ unit = "request-kib", amount = 100 }`.
Result<void> read_max_work(Table& table, MaxWork& out) {
    if (!table.is_table("max-work")) {
        return table.number("max-work", out.amount);
    }
    return table.section("max-work", [&](Table& inner) -> Result<void> {
        TRY_VOID(inner.text("unit", out.unit));
        if (!inner.has("amount")) {
            return inner.wrong("amount", "is missing");
        }
        return inner.number("amount", out.amount);
    });
}

}  // namespace

Result<void> read_band(Table& table, std::optional<Band>& out) {
    return table.section("reputation", [&](Table& inner) -> Result<void> {
        std::optional<std::uint32_t> at_least;
        std::optional<std::uint32_t> below;
        TRY_VOID(inner.number("at-least", at_least, kBestScore));
        TRY_VOID(inner.number("below", below, kBestScore + 1));
        if (!at_least && !below) {
            return inner.wrong("at-least", "at-least or below is missing");
        }
        const Band band{.at_least = at_least.value_or(0), .below = below.value_or(kBestScore + 1)};
        if (band.at_least >= band.below) {
            return inner.wrong("below", "must be above at-least");
        }
        out = band;
        return {};
    });
}

Result<void> read_commands(Table& table, Rule& rule) {
    TRY_VOID(read_access(table, rule));
    TRY_VOID(read_min_payment(table, rule));
    TRY_VOID(read_rate_limit(table, rule));
    TRY_VOID(read_defer(table, rule));
    if (table.has("max-work")) {
        TRY_VOID(read_max_work(table, rule.max_work.emplace()));
    }
    TRY_VOID(read_require(table, rule));
    TRY_VOID(read_price(table, rule));
    return read_accept(table, rule);
}

}  // namespace decloud::policy::internal
