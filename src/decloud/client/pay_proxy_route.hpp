#pragma once

#include <decloud/identity/names.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/net/url.hpp>
#include <decloud/protocol/problem.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace decloud::client {

/// One of the proxy's listeners.
struct ProxyDoor {
    /// What requests must bring; empty: nothing, as on a socket that only its owner can open.
    std::string token;
    /// The authorities that lead to it, in lower case: "127.0.0.1:8403", "localhost:8403".
    std::vector<std::string> authorities;
};

/// Where a request is to go.
struct ProxyTarget {
    /// One of our providers, and the path and query there: "/{cid}…".
    struct ToProvider {
        identity::ProviderName name;
        std::string path;
    };
    /// Any other server.
    struct ToUrl {
        net::Url url;
    };
    std::variant<ToProvider, ToUrl> where;
    /// What the request's path began with: "/{token}", "" on the socket. Nothing for a request in
    /// the form for proxies (RFC 9112 §3.2.2).
    std::optional<std::string> prefix;
};

/// Where `head` goes that came through `door`: `/{token}/p/{provider}/{cid}…`,
/// `/{token}/http(s)://host/…`, or an absolute URL with the token in Proxy-Authorization. Refuses
/// what a page of another site has made a browser send. Nothing in a refusal is from the request.
[[nodiscard]] protocol::Checked<ProxyTarget> find_proxy_target(
    const net::http::RequestHead& head, const ProxyDoor& door);

/// Removes what concerns the proxy alone: hop-by-hop headers, Host, framing, its token wherever it
/// stands (Referer, for one), and Origin and cookies of the origin that all servers share.
void strip_for_server(
    net::http::Headers& headers, const ProxyDoor& door, const ProxyTarget& target);

/// Makes an answer that came from `from` fit the proxy's own origin: Location leads through the
/// proxy, nothing acts on the answers of other servers, and no page's Referer tells the token.
void fit_answer(net::http::Headers& headers, const ProxyTarget& target, const net::Url& from);

}  // namespace decloud::client
