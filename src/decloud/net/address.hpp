#pragma once

#include <decloud/base/result.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::net {

/// An IPv4 or IPv6 address without a scope.
class IpAddress {
  public:
    /// 0.0.0.0
    IpAddress() = default;
    /// From its octets in network order.
    [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> octets);
    /// The same for IPv6.
    [[nodiscard]] static IpAddress v6(std::array<std::uint8_t, 16> octets);

    /// True for IPv6, also for an address that maps an IPv4 one.
    [[nodiscard]] bool is_v6() const { return v6_; }
    /// The sixteen octets; those of IPv4 are the first four.
    [[nodiscard]] const std::array<std::uint8_t, 16>& octets() const { return octets_; }
    /// "127.0.0.1" or RFC 5952's "::1", without brackets.
    [[nodiscard]] std::string to_string() const;
    /// The address that an IPv4-mapped IPv6 address stands for, else itself.
    [[nodiscard]] IpAddress unmapped() const;

    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

  private:
    std::array<std::uint8_t, 16> octets_{};
    bool v6_ = false;
};

/// "127.0.0.1" or "::1", no brackets, no scope, no leading zeros. Error: invalid_input.
[[nodiscard]] Result<IpAddress> parse_ip_address(std::string_view text);

/// Who is at the other end of an accepted connection.
struct PeerAddress {
    IpAddress ip{};
    std::uint16_t port = 0;
    /// True for a Unix socket; then `ip` and `port` mean nothing.
    bool is_unix = false;
};

/// Where a server listens: an address and a port (0 = any free one), or the path of a Unix socket.
struct Endpoint {
    IpAddress ip{};
    std::uint16_t port = 0;
    std::string unix_path{};

    /// True if it is the path of a Unix socket.
    [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
    /// "127.0.0.1:8402", "[::1]:8402" or "unix:/path".
    [[nodiscard]] std::string to_string() const;
};

/// "127.0.0.1:8402", "[::1]:0", "unix:/path/to/socket". Error: invalid_input.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace decloud::net
