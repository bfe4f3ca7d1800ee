#pragma once

#include "gateway.hpp"

#include <decloud/async/task.hpp>
#include <decloud/net/address.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/url.hpp>

#include <functional>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// Where a server is reached, as plain HTTP: `listener`, and `public_url` if that is no https.
[[nodiscard]] std::vector<net::Url> own_origins(
    const net::Endpoint& listener, std::string_view public_url);

/// Whether a tunnel to `authority` ("host:port") ends at this server: it is one of `own`, or a host
/// that `is_served` ("host:port"), at port 80 or one of `own`.
[[nodiscard]] bool ends_here(std::string_view authority,
    const std::vector<net::Url>& own,
    const std::function<bool(std::string_view)>& is_served);

/// True for a CONNECT, and for what comes through it.
[[nodiscard]] bool is_proxied(const net::http::Exchange& exchange);

/// For programs whose HTTP proxy this server is (the proxy gateway of ipfs/specs): a CONNECT to a
/// host that is served here, or to one of `own`, is accepted, 403 for others, and content is all
/// that comes through it. Nothing is dialled. `context` outlives it.
[[nodiscard]] async::Task<void> answer_proxied(
    net::http::Exchange exchange, const GatewayContext& context, std::vector<net::Url> own);

}  // namespace decloud::ipfs
