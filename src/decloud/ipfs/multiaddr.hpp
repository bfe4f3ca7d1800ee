#pragma once

#include <decloud/net/url.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace decloud::ipfs {

/// Where HTTP is spoken, as a multiaddr: "/ip4/…/tcp/…/http", with "/tls" in front of "/http" for
/// https. Nothing for a URL that has none: with a path, or a Unix socket.
[[nodiscard]] std::optional<std::string> multiaddr_of(const net::Url& url);

/// The reverse: of "/ip4/…", "/ip6/…" or "/dns…/…" with "/tcp/PORT" and "/http", "/tls/http",
/// "/tls/sni/…/http" (of the same name) or "/https", perhaps with "/p2p/…" behind it; and of an
/// http or https URL without a path. Nothing for any other.
[[nodiscard]] std::optional<net::Url> url_of_address(std::string_view address);

}  // namespace decloud::ipfs
