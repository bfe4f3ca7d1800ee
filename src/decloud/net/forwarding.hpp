#pragma once

#include "address.hpp"
#include "http/message.hpp"

#include <string>
#include <string_view>

namespace decloud::net {

/// Removes what concerns one connection only: Connection and all it names, Keep-Alive,
/// Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, TE, Trailer, Transfer-Encoding,
/// Upgrade. RFC 9110 §7.6.1. Content-Length and Host stay whatever Connection names.
void strip_hop_by_hop(http::Headers& headers);

/// True for the headers that never come from a program and never reach one (design §4). Any case.
[[nodiscard]] bool is_reserved_header(std::string_view name);

/// Removes every header of which `is_reserved_header` is true.
void strip_reserved(http::Headers& headers);

/// What a proxy says about the request it passes on.
struct ForwardedElement {
    PeerAddress client;
    /// As the client sent it.
    std::string host;
    /// "http" or "https".
    std::string scheme;
};

/// Removes every Forwarded and X-Forwarded-* header (and X-Real-IP) and adds one Forwarded element
/// (RFC 7239) and the X-Forwarded-For, -Host, -Proto that say the same.
void set_forwarded(http::Headers& headers, const ForwardedElement& element);

/// Whom requests from there are counted against: an IPv4 address, the /64 of an IPv6 address, or
/// "local" for a Unix socket.
[[nodiscard]] std::string client_network(const PeerAddress& peer);

/// The `for` address of the last element of a Forwarded header, if it is an address. Error:
/// invalid_input.
[[nodiscard]] Result<IpAddress> forwarded_client(std::string_view header);

}  // namespace decloud::net
