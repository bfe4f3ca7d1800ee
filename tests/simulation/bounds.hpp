#pragma once

#include <decloud/base/units.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::simulation {

/// What keeps a loss small. Each can be taken out of the run, which then has to fail.
enum class Bound {
    /// Unsettled of a channel, of an identity and of the node.
    channel,
    identity,
    node,
    /// What is settled at a sum, and after a time.
    threshold,
    age,
    /// T is longer than an outage, so that a payer who leaves has paid.
    delay,
    /// Nothing paid is served on an old head.
    head,
    /// What was answered and is not charged after a kill is reported.
    durable,
    /// Nothing is served beyond what the channel's signer signed.
    voucher,
    /// A provider that claims what it did not serve gets the budget and no more.
    budget,
};

/// Their names on the command line.
inline constexpr std::array<std::pair<std::string_view, Bound>, 10> kBounds{{
    {"channel", Bound::channel},
    {"identity", Bound::identity},
    {"node", Bound::node},
    {"threshold", Bound::threshold},
    {"age", Bound::age},
    {"delay", Bound::delay},
    {"head", Bound::head},
    {"durable", Bound::durable},
    {"voucher", Bound::voucher},
    {"budget", Bound::budget},
}};
[[nodiscard]] std::optional<Bound> bound_named(std::string_view name);
[[nodiscard]] std::string_view name_of(Bound bound);

/// What was seen of each bound.
class Bounds {
  public:
    /// `value` was seen where at most `limit` may be; `where` says of whom and when.
    void see(Bound bound, Amount value, Amount limit, const std::string& where);
    /// The bound that was passed first, and how; none if all held.
    [[nodiscard]] const std::optional<std::pair<Bound, std::string>>& broken() const {
        return broken_;
    }
    /// Median, 99th percentile, highest value and limit of each, a line each.
    [[nodiscard]] std::string distribution() const;

  private:
    struct Seen {
        std::vector<Amount> values;
        Amount limit;
    };
    std::map<Bound, Seen> seen_;
    std::optional<std::pair<Bound, std::string>> broken_;
};

}  // namespace decloud::simulation
