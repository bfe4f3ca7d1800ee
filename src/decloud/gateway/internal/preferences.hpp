#pragma once

#include "balancer.hpp"

#include <decloud/base/evm_types.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/protocol/problem.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::gateway::internal {

/// What a caller wants of the provider that is chosen: the header `X-Decloud-Prefer`, a dictionary
/// of RFC 9651: `by=latency|price|reputation`, `only=("alice" …)`, `not=("bob" …)`,
/// `max-price=1000`.
struct Preferences {
    Preference by = Preference::balanced;
    /// Full names; empty: any.
    std::vector<std::string> only;
    std::vector<std::string> never;
    std::optional<Uint128> max_price;

    [[nodiscard]] bool allow(const Candidate& candidate) const;
};

/// The header's name.
inline constexpr std::string_view kPreferHeader = "X-Decloud-Prefer";

/// Without the header: no preferences. Problem: 400 for what is malformed or not known.
[[nodiscard]] protocol::Checked<Preferences> read_preferences(const net::http::Headers& headers);

}  // namespace decloud::gateway::internal
