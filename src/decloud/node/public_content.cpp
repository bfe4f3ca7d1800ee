#include "public_content.hpp"

#include "node_content.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/json.hpp>
#include <decloud/pipeline/pipeline.hpp>

#include <cstdlib>
#include <utility>

namespace decloud::node {

namespace {

ipfs::VisibilityRule rule_of_now(
    const content::PrivateBlocks& private_blocks, const policy::PolicyKeeper& policy) {
    return [&private_blocks, current = policy.current()](
               const content::Cid& cid) -> Result<ipfs::Visibility> {
        if (current->size().contents > 0 && current->barring({.cid = cid.to_string()}) != nullptr) {
            return ipfs::Visibility::denied;
        }
        TRY(const bool is_private, private_blocks.contains(cid));
        return is_private ? ipfs::Visibility::hidden : ipfs::Visibility::shown;
    };
}

ipfs::KnownLinks links_of_environment() {
    // Read once, before any thread could change it.
    const char* const text = std::getenv("IPFS_NS_MAP");  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? ipfs::KnownLinks() : ipfs::KnownLinks::parse(text);
}

async::Task<Result<std::string>> receive_record(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Exchange& exchange,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ipfs::IpnsRecords& records,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    boost::asio::thread_pool& pool,
    UnixSeconds now) {
    CO_TRY(const auto name,
        multiformats::IpnsName::parse(query_value(exchange.request().query(), "name")));
    CO_TRY(const Bytes record, co_await exchange.read_all(multiformats::kMaxIpnsRecord));
    CO_TRY_VOID(co_await async::offload(
        pool, [&records, &name, &record, now] { return records.put(name, record, now); }));
    co_return name.to_string();
}

}  // namespace

PublicContent::PublicContent(const content::BlockStore& blocks,
    const content::PrivateBlocks& private_blocks,
    const policy::PolicyKeeper& policy,
    const ipfs::IpnsRecords& records,
    const Clock& clock,
    ipfs::PeerRecord self)
    : links_(links_of_environment()),
      gateway_{blocks, pool_,
          [&private_blocks, &policy] { return rule_of_now(private_blocks, policy); }, records,
          links_, clock},
      self_(std::move(self)) {}

ipfs::PeerRecord peer_record(const crypto::Ed25519PublicKey& key, std::string_view public_url) {
    ipfs::PeerRecord out{.id = ipfs::peer_id(key), .addresses = {}};
    const auto url = net::parse_url(public_url);
    if (auto address = url ? ipfs::multiaddr_of(*url) : std::nullopt) {
        out.addresses.push_back(std::move(*address));
    }
    return out;
}

async::Task<void> keep_record(net::http::Exchange exchange,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ipfs::IpnsRecords& records,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    boost::asio::thread_pool& pool,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Clock& clock) {
    const auto kept = co_await receive_record(exchange, records, pool, clock.unix_seconds());
    if (!kept) {
        auto problem = protocol::problem_from(kept.error());
        problem.detail = kept.error().message();
        co_await pipeline::Pipeline::send_problem(std::move(exchange), std::move(problem));
        co_return;
    }
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    json::Object body;
    body["name"] = *kept;
    (void)co_await exchange.send(std::move(head), json::to_text(body) + "\n");
}

}  // namespace decloud::node
