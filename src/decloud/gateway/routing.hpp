#pragma once

#include <decloud/identity/names.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/protocol/problem.hpp>

#include <string>
#include <string_view>
#include <variant>

namespace decloud::gateway {

/// `{label}.{domain}` or `/p/{name}/…`: goes to that provider.
struct ProviderRoute {
    identity::ProviderName name;
    /// "/p/{name}" as it was asked for; empty if the provider has the host to itself.
    std::string shared_prefix;
};
/// `/{cid}…` on the gateway's own host: goes to a provider that is chosen.
struct CidRoute {
    /// As `Cid::to_string` spells it.
    std::string cid;
    /// "/{cid}" as it was asked for.
    std::string prefix;
};
/// `{alias}.fn.{domain}`: goes on to the cid that the alias stands for.
struct AliasRoute {
    std::string alias;
};
/// The gateway's own `/healthz`.
struct HealthRoute {};
/// The gateway's own `/readyz`.
struct ReadyRoute {};

/// Where a request goes.
using Route = std::variant<ProviderRoute, CidRoute, AliasRoute, HealthRoute, ReadyRoute>;

/// Where a request goes, by its Host and its path. `domain` is the gateway's, lower case; requests
/// to it, to any IP address, to "localhost" or without a Host are the gateway's own. Refusals are
/// 400 for a name that cannot be, 404 for all that leads nowhere; they say which forms exist.
/// Design §3, Gateway.
[[nodiscard]] protocol::Checked<Route> find_route(
    const net::http::RequestHead& request, std::string_view domain);

/// Whether `text` can be an alias: a DNS label of lower-case letters, digits and inner hyphens, not
/// `xn--…`, and none of the labels that gateways use themselves.
[[nodiscard]] bool is_alias(std::string_view text);

/// The target as it is sent on: as it came, but an absolute form without scheme and authority.
[[nodiscard]] std::string origin_form(std::string_view target);

}  // namespace decloud::gateway
