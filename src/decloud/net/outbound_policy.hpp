#pragma once

#include "address.hpp"

#include <decloud/base/result.hpp>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace decloud::net {

/// Which addresses may be dialled. Default: the public internet only. Design §4.
struct OutboundPolicy {
    /// 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7.
    bool allow_private = false;
    /// 127/8, ::1.
    bool allow_loopback = false;
    /// `unix:` URLs.
    bool allow_unix = false;
    /// Our own addresses: refused even where the rest is allowed.
    std::vector<std::pair<IpAddress, std::uint16_t>> own_addresses;

    /// Everything but own addresses, link-local, multicast and reserved ones; for URLs that the
    /// operator or the user typed.
    [[nodiscard]] static OutboundPolicy trusted();

    /// Error: address_forbidden with the reason. IPv4-mapped, -compatible, 6to4, NAT64 and Teredo
    /// addresses are judged by the IPv4 address within.
    [[nodiscard]] Result<void> check(const IpAddress& address, std::uint16_t port) const;
};

}  // namespace decloud::net
