#pragma once

#include "receipts.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/registry/provider_catalogue.hpp>
#include <decloud/registry/provider_directory.hpp>
#include <decloud/services/peers/peers_service.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace decloud::node {

/// Where this node's peers come from, and what it says of itself.
struct PeerSettings {
    std::string provider_name;
    /// As in the registry.
    std::string public_url;
    /// Nodes that the operator names.
    std::vector<net::Url> configured;
    /// Which addresses may be dialled.
    net::OutboundPolicy policy;
    std::function<std::vector<std::string>()> services;
    Address registry;
    /// Where the registry's history begins.
    std::uint64_t first_block = 0;
};

/// Asks other nodes for their records and for those that they know, and tells them of this one.
/// Single threaded.
class PeerExchange {
  public:
    /// `clock`, `client`, `head` and `identity` outlive it.
    PeerExchange(async::Executor executor,
        const Clock& clock,
        chain::EthereumClient& client,
        chain::HeadFollower& head,
        const NodeIdentity& identity,
        PeerSettings settings);
    PeerExchange(const PeerExchange&) = delete;
    PeerExchange& operator=(const PeerExchange&) = delete;
    ~PeerExchange();

    /// For `make_peers_service`. Lives as long as this.
    [[nodiscard]] services::PeersContext& context() { return context_; }
    /// Asks until cancelled: a few at a time, soon after somebody was heard of.
    [[nodiscard]] async::Task<void> run();
    /// Ends every question; `run` is cancelled by its group.
    [[nodiscard]] async::Task<void> stop();

  private:
    /// Addresses of the registry's providers, as far as they are known.
    [[nodiscard]] std::vector<net::Url> registered() const;
    [[nodiscard]] async::Task<void> ask(net::Url address);
    [[nodiscard]] async::Task<Result<Bytes>> post(
        net::Url address, std::string target, std::string body);
    [[nodiscard]] Result<protocol::PeerRecord> self();

    const Clock& clock_;
    const NodeIdentity& identity_;
    PeerSettings settings_;
    std::string own_address_;
    services::PeerBook book_;
    services::PeersContext context_;
    net::http::Client client_;
    async::Event wake_;
    protocol::PeerRecord own_;
    registry::ProviderDirectory directory_;
    registry::ProviderCatalogue catalogue_;
    async::TaskGroup followed_;
    async::TaskGroup asked_;
};

}  // namespace decloud::node
