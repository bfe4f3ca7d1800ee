#pragma once

#include "gateway.hpp"
#include "refusal.hpp"

#include <decloud/async/task.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/multiformats/ipns_record.hpp>
#include <decloud/net/http/server.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace decloud::ipfs {

/// A node as others find it (the "peer" schema of Delegated Routing V1).
struct PeerRecord {
    /// The libp2p peer id of its Ed25519 key, "12D3Koo…".
    std::string id;
    /// Multiaddrs; without any nobody can be led to it.
    std::vector<std::string> addresses;
};

/// The peer id of a key: its multihash in base58btc.
[[nodiscard]] std::string peer_id(const crypto::Ed25519PublicKey& key);

/// A GET of `/routing/v1/…`, or a PUT of a record.
struct RoutingRequest {
    /// Who has a cid.
    struct Providers {
        multiformats::Cid cid;
    };
    /// Where a peer is.
    struct Peers {
        multiformats::IpnsName id;
    };
    /// The newest record of a name.
    struct Ipns {
        multiformats::IpnsName name;
    };
    std::variant<Providers, Peers, Ipns> what;
    /// IPIP-484, in lower case; empty: all.
    std::vector<std::string> address_filters{};
    std::vector<std::string> protocol_filters{};
    /// One JSON value a line instead of one object.
    bool streamed = false;
    /// The body is a record of the name.
    bool is_put = false;
};

/// Refusals: 400 for a path that is none, 422 for a key that cannot be read, 406 for an IPNS record
/// in another form, 501 for writing anything else.
[[nodiscard]] Answered<RoutingRequest> parse_routing_request(const net::http::RequestHead& head);

/// The record as the filters leave it; nothing if they leave none.
[[nodiscard]] std::optional<PeerRecord> filter_peer(PeerRecord peer, const RoutingRequest& request);

/// Answers `/routing/v1/{providers,peers,ipns}/…` (ipfs/specs http-routing-v1) of this node alone:
/// it provides what it holds and the public may read, and nothing is asked of others. A PUT
/// replaces the record of a name that is held here: 200, 400 if it is not good, 403 if none is
/// held, 409 if a newer one is. Single threaded; the disk is read on the gateway's pool. The
/// contexts outlive the answer.
[[nodiscard]] async::Task<void> answer_routing(
    net::http::Exchange exchange, const GatewayContext& context, const PeerRecord& self);

}  // namespace decloud::ipfs
