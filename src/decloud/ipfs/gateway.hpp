#pragma once

#include "content_request.hpp"
#include "dns_links.hpp"
#include "names.hpp"
#include "public_blocks.hpp"

#include <decloud/async/task.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/net/http/server.hpp>

#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// What the gateway works on. All of it outlives the gateway's answers.
struct GatewayContext {
    const content::BlockStore& blocks;
    boost::asio::thread_pool& pool;
    /// Makes the rule for one request; called on the node's thread.
    std::function<VisibilityRule()> visibility;
    IpnsRecords& records;
    const KnownLinks& links;
    const Clock& clock;
    /// Hosts, without a port, under which every cid and name has a subdomain of its own.
    std::vector<std::string> parents{"localhost"};
    /// Domains that `links` does not know are asked for here; null: they lead nowhere.
    DnsLinks* domains = nullptr;
    /// Domains, in lower case, that are websites here besides those of `links`.
    std::vector<std::string> websites{};
};

/// True if the request came to the origin of one cid, name or DNSLink website, where every path is
/// content.
[[nodiscard]] bool is_content_origin(
    const net::http::Exchange& exchange, const GatewayContext& context);

/// True for an authority ("host:port", or a host) that is a parent of subdomains, the subdomain of
/// a cid or name, or a website.
[[nodiscard]] bool is_content_host(std::string_view authority, const GatewayContext& context);

/// Answers `/ipfs/{cid}…` and `/ipns/{name}…` (ipfs/specs http-gateways: trustless and path
/// gateway) from what is held here: nothing is fetched for a stranger. Single threaded; disk is
/// read on the pool, a piece at a time.
[[nodiscard]] async::Task<void> answer_content(
    net::http::Exchange exchange, const GatewayContext& context);

}  // namespace decloud::ipfs
