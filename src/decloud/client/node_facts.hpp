#pragma once

#include "payer.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/hash.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace decloud::client {

/// What a node says of itself in `/.well-known/decloud`.
struct NodeFacts {
    /// Its registered name.
    std::string name;
    std::string audience;
    /// The did:key that signs its answers.
    std::string id;
    /// What it is paid in.
    AssetId currency;
    /// The epoch of the provider's delegation to that key; none: it shows none, so that nothing but
    /// the node's own word says that it answers for its provider.
    std::optional<std::uint64_t> delegation_epoch{};
};

/// The ways to a path ("/oc/v1/…") at one node.
using RoutesTo = std::function<Result<std::vector<RequestRoute>>(std::string path)>;

/// A node that was named by a user, and who it is.
struct KnownNode {
    NodeFacts facts;
    RoutesTo routes;
    /// If it is in the registry.
    std::optional<registry::Provider> provider{};
};

/// Asks by whichever of the routes answers first. A delegation that is shown has to hold at `now`.
/// Errors: NetError; invalid_input for what is no such answer; `identity::verify_delegation`'s.
[[nodiscard]] async::Task<Result<NodeFacts>> ask_node(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    RoutesTo routes,
    UnixSeconds now);

/// What `/.well-known/decloud` says, checked as far as it can be without a chain.
[[nodiscard]] Result<NodeFacts> parse_node_facts(BytesView text, UnixSeconds now);

/// Whether the node has signed this answer, whichever route the request went by. Errors: as
/// `check_answer`.
[[nodiscard]] Result<void> check_answer_of(const NodeFacts& facts,
    const PayableRequest& request,
    const Answer& answer,
    const crypto::Sha256Digest& request_content,
    const crypto::Sha256Digest& body);

}  // namespace decloud::client
