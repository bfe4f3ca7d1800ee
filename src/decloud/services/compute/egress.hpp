#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/net/host_rules.hpp>
#include <decloud/net/outbound_policy.hpp>
#include <decloud/sandbox/egress.hpp>

#include <cstdint>
#include <memory>

namespace decloud::services {

/// Where functions may reach other machines, as the operator decides.
struct EgressSettings {
    /// What functions may ask for; empty: no function has a network.
    net::HostRules hosts{};
    /// Judges the addresses that those names turn out to have.
    net::OutboundPolicy policy{};
    /// In both directions: of one call, and of a server for each hour begun.
    std::uint64_t bytes_per_hour = kGiB;
};

/// The way out of a function that asks for `wanted`: through an HTTP proxy to these hosts and no
/// others. Null if nothing is wanted. Error: not_found, names what the operator does not allow.
[[nodiscard]] Result<std::shared_ptr<sandbox::Egress>> make_egress(
    async::Executor executor, net::HostRules wanted, const EgressSettings& settings);

}  // namespace decloud::services
