#pragma once

#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace decloud::policy {

/// Scores of protocol::ReputationView: from `at_least` to just below `below`.
struct Band {
    std::uint32_t at_least = 0;
    std::uint32_t below = 1'000'001;
    /// True if the score lies in it.
    [[nodiscard]] bool holds(std::uint32_t score) const {
        return at_least <= score && score < below;
    }
};

/// An amount beside what it is an amount of.
struct Money {
    std::string currency;
    Amount amount;
};

/// When a line of a list holds; what is not given does not matter.
struct When {
    /// Minutes of the UTC day, from the first to just before the second; may pass midnight.
    std::optional<std::pair<std::uint32_t, std::uint32_t>> minutes;
    /// Percent of this machine's processors.
    std::optional<std::uint32_t> load_at_least;
    std::optional<std::uint32_t> load_below;
    /// Of the best credential; not met if nobody knows it.
    std::optional<std::uint32_t> reputation_at_least;
};

/// Whether a request is served at all.
enum class Access : std::uint8_t { allow, deny };

/// The least that a call has to pay in one currency.
struct MinPayment {
    Money least;
    /// `least` is of each unit of the method instead of the call.
    bool per_unit = false;
};

/// Token buckets; zero is no limit.
struct RateLimit {
    std::uint32_t per_second = 0;
    /// How many may come at once where `per_second` is set.
    std::uint32_t burst = 0;
    std::uint64_t per_day = 0;
    /// Counted by address only, whatever credentials are presented.
    bool per_client = false;
};

/// Promises that are taken. A limit of zero: none.
struct Defer {
    /// Of one identity, all its open promises together.
    Money limit;
    /// Of everybody together.
    Amount total;
    /// From the promise to its due time.
    std::chrono::seconds time{};
};

/// The most work of one request.
struct MaxWork {
    std::uint64_t amount = 0;
    /// One of the service's units; empty: the method's own.
    std::string unit;
};

/// What a caller has to show; what nobody can tell this node counts as not met.
struct Require {
    /// One of them is to be among the credentials; empty: any will do, and none.
    std::vector<std::string> kinds;
    std::optional<Money> balance;
    std::optional<std::chrono::seconds> age;
    std::optional<Money> fees;
    std::optional<std::uint32_t> reputation;
};

/// What a call costs: `base`, and so much for each unit.
struct Rates {
    Amount base;
    /// Of the method's own unit.
    Amount per_unit;
    /// Of units of the service by their names, on top.
    std::map<std::string, Amount, std::less<>> per{};
};

/// Rates that hold under a condition.
struct PriceStep {
    When when;
    Rates rates;
};

/// What a call is quoted at.
struct Price {
    std::string currency;
    Rates rates;
    /// The first that holds is taken instead.
    std::vector<PriceStep> steps;
};

/// A discount that holds under a condition.
struct AcceptStep {
    When when;
    std::uint32_t below_percent = 0;
};

/// How far below the quote an offer is still taken.
struct Accept {
    std::uint32_t below_percent = 0;
    /// The first that holds is taken instead.
    std::vector<AcceptStep> steps;
};

/// The commands that a rule can carry, each decided by itself.
enum class Command : std::uint8_t {
    access,
    min_payment,
    rate_limit,
    defer,
    max_work,
    require,
    price,
    accept,
};
inline constexpr std::size_t kCommands = 8;

/// The word of the file: "min-payment"; "allow or deny" for `access`.
[[nodiscard]] std::string_view to_string(Command command);

/// How closely a rule names who asks, in rising order.
enum class WhoLevel : std::uint8_t { anybody, reputation, kind, id };

/// One `[[rule]]` of the file. All of its scopes have to hold; what is not given holds always.
struct Rule {
    /// For explanations; "rule at line 12" if the file gives none.
    std::string name;
    std::uint32_t line = 0;

    std::vector<std::string> services;
    /// Of the services.
    std::vector<std::string> methods;
    /// Who: one presented credential has to satisfy all three.
    std::optional<std::uint32_t> group;
    std::string kind;
    std::optional<Band> band;
    /// Denies content by cid, owner or name, whoever asks.
    bool bars_content = false;

    std::optional<Access> access;
    /// Shown to whom is denied.
    std::string reason;
    std::vector<MinPayment> min_payments;
    std::optional<RateLimit> rate_limit;
    /// What its buckets go by, so that they outlive a reload.
    std::uint64_t fingerprint = 0;
    std::optional<Defer> defer;
    std::optional<MaxWork> max_work;
    std::optional<Require> require;
    std::optional<Price> price;
    std::optional<Accept> accept;

    [[nodiscard]] WhoLevel who_level() const;
    [[nodiscard]] bool carries(Command command) const;
};

}  // namespace decloud::policy
