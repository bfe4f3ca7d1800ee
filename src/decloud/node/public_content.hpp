#pragma once

#include "domain_settings.hpp"

#include <decloud/async/task.hpp>
#include <decloud/content/private_blocks.hpp>
#include <decloud/ipfs/gateway.hpp>
#include <decloud/ipfs/ipns_publisher.hpp>
#include <decloud/ipfs/proxy.hpp>
#include <decloud/ipfs/routing.hpp>
#include <decloud/policy/policy_keeper.hpp>

#include <boost/asio/thread_pool.hpp>

#include <memory>

namespace decloud::node {

/// What of the node's content anybody may read: blocks that the policy of the moment denies are
/// denied, private ones are hidden. Domains in `IPFS_NS_MAP` lead where it says, others where DNS
/// does.
class PublicContent {
  public:
    /// All but the last two outlive this.
    PublicContent(const content::BlockStore& blocks,
        const content::PrivateBlocks& private_blocks,
        const policy::PolicyKeeper& policy,
        ipfs::IpnsRecords& records,
        const Clock& clock,
        ipfs::PeerRecord self,
        const DomainSettings& domains);

    /// Lives as long as this object.
    [[nodiscard]] const ipfs::GatewayContext& gateway() const { return gateway_; }
    /// This node, as others are told of it. Lives as long as this object.
    [[nodiscard]] const ipfs::PeerRecord& self() const { return self_; }

  private:
    /// Of its own, so that strangers who read large trees do not hold up calls and the ledger.
    boost::asio::thread_pool pool_{2};
    ipfs::KnownLinks links_;
    std::unique_ptr<ipfs::DnsLinks> domains_;
    ipfs::GatewayContext gateway_;
    ipfs::PeerRecord self_;
};

/// The node with this key, at its public URL.
[[nodiscard]] ipfs::PeerRecord peer_record(
    const crypto::Ed25519PublicKey& key, std::string_view public_url);

/// Renews what is published, until it is cancelled. `publisher` and `pool` outlive it.
[[nodiscard]] async::Task<void> keep_published(
    ipfs::IpnsPublisher& publisher, boost::asio::thread_pool& pool);

/// The operator's `POST …/publish?key=KEY&value=PATH&lifetime=SECONDS&ttl=SECONDS`, and
/// `POST …/unpublish?key=KEY`.
[[nodiscard]] async::Task<void> publish_name(
    net::http::Exchange exchange, ipfs::IpnsPublisher& publisher, boost::asio::thread_pool& pool);
[[nodiscard]] async::Task<void> withdraw_name(
    net::http::Exchange exchange, ipfs::IpnsPublisher& publisher, boost::asio::thread_pool& pool);

/// The operator's `POST …/record?name=NAME`: keeps an IPNS record.
[[nodiscard]] async::Task<void> keep_record(net::http::Exchange exchange,
    ipfs::IpnsRecords& records,
    boost::asio::thread_pool& pool,
    const Clock& clock);

}  // namespace decloud::node
