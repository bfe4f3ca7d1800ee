#pragma once

#include <decloud/net/address.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace decloud::gateway::internal {

/// The addresses at which this machine reaches what listens at `endpoint`: that of the endpoint, or
/// those of every interface if it is 0.0.0.0 or ::. Empty for a Unix socket.
[[nodiscard]] std::vector<std::pair<net::IpAddress, std::uint16_t>> own_addresses(
    const net::Endpoint& endpoint);

}  // namespace decloud::gateway::internal
