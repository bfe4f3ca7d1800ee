#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/protocol/call.hpp>
#include <decloud/protocol/problem.hpp>
#include <decloud/protocol/request_record.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::node {

/// What the edge needs to know of its node.
struct EdgeSettings {
    /// Full and short form of the provider's name: `/p/{either}/` in front of a path means this
    /// node.
    std::string provider_name;
    std::string provider_short_name;
    /// `RequestDigest`'s audience of this node.
    std::string audience;
    /// Configured gateway links: from these addresses `Forwarded` says who the client is.
    std::vector<net::IpAddress> trusted_gateways;
};

/// Where a public request goes.
struct Route {
    /// Which of the public endpoints it is.
    enum class Kind { call, receipt, well_known, health, ready, openapi, ipfs, routing };
    Kind kind = Kind::call;
    /// For `call`.
    std::shared_ptr<protocol::Call> call;
    /// For `receipt`: its id as text.
    std::string id;
};

/// Reads a public request (design §4): `/{cid}…` is service compute, method call;
/// `/oc/v1/{service}/{method}` is an OpenCloud request. Problems: 404 for a path that is nothing
/// here, 400 for what cannot be read.
[[nodiscard]] protocol::Checked<Route> route_request(
    const net::http::Exchange& exchange, const EdgeSettings& settings, const Clock& clock);

/// The same from its parts.
[[nodiscard]] protocol::Checked<Route> route_request(const net::http::RequestHead& head,
    const net::PeerAddress& peer,
    std::optional<std::uint64_t> content_length,
    const EdgeSettings& settings,
    UnixSeconds now);

/// Makes the call part of its trace (its program sees where), and writes of it when it is over.
[[nodiscard]] std::unique_ptr<protocol::RequestRecord> begin_record(
    protocol::Call& call, protocol::RecordSettings settings);

/// Whom a request is counted against: an IPv4 address, or the /64 of an IPv6 address.
[[nodiscard]] std::string client_key(const net::PeerAddress& peer);
/// The same, from `Forwarded` where the peer is a configured gateway.
[[nodiscard]] std::string client_key(
    const net::http::RequestHead& head, const net::PeerAddress& peer, const EdgeSettings& settings);

}  // namespace decloud::node
