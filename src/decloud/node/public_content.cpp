#include "public_content.hpp"

#include "node_content.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/ipfs/multiaddr.hpp>
#include <decloud/pipeline/pipeline.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace decloud::node {

namespace {

constexpr std::chrono::minutes kRenewalInterval{1};

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

std::unique_ptr<ipfs::DnsLinks> make_domains(const DomainSettings& settings, const Clock& clock) {
    if (!settings.asks_dns) {
        return nullptr;
    }
    std::string servers;
    for (const net::Endpoint& server : settings.servers) {
        servers += (servers.empty() ? "" : ",") + server.to_string();
    }
    return std::make_unique<ipfs::DnsLinks>(
        ipfs::DnsLinkSettings{.servers = std::move(servers)}, clock);
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

async::Task<void> send_object(net::http::Exchange exchange, json::Object body) {
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    (void)co_await exchange.send(std::move(head), json::to_text(body) + "\n");
}

async::Task<void> send_error(net::http::Exchange exchange, Error error) {
    auto problem = protocol::problem_from(error);
    problem.detail = error.message();
    co_await pipeline::Pipeline::send_problem(std::move(exchange), std::move(problem));
}

Result<std::chrono::seconds> seconds_of(std::string_view query, std::string_view name) {
    const std::string text = query_value(query, name);
    std::uint32_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size()) {
        return fail(CommonError::invalid_input, std::string(name) + " is no number of seconds");
    }
    return std::chrono::seconds(value);
}

}  // namespace

PublicContent::PublicContent(const content::BlockStore& blocks,
    const content::PrivateBlocks& private_blocks,
    const policy::PolicyKeeper& policy,
    ipfs::IpnsRecords& records,
    const Clock& clock,
    ipfs::PeerRecord self,
    const DomainSettings& domains)
    : links_(links_of_environment()),
      domains_(make_domains(domains, clock)),
      gateway_{blocks, pool_,
          [&private_blocks, &policy] { return rule_of_now(private_blocks, policy); }, records,
          links_, clock, {"localhost"}, domains_.get(), domains.websites},
      self_(std::move(self)) {}

ipfs::PeerRecord peer_record(const crypto::Ed25519PublicKey& key, std::string_view public_url) {
    ipfs::PeerRecord out{.id = ipfs::peer_id(key), .addresses = {}};
    const auto url = net::parse_url(public_url);
    if (auto address = url ? ipfs::multiaddr_of(*url) : std::nullopt) {
        out.addresses.push_back(std::move(*address));
    }
    return out;
}

async::Task<void> keep_published(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ipfs::IpnsPublisher& publisher,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    boost::asio::thread_pool& pool) {
    // Each problem is told once, until it is another one.
    std::vector<std::string> told;
    for (;;) {
        auto renewed = co_await async::offload(pool, [&publisher] { return publisher.renew(); });
        if (!renewed) {
            log::warning("node", "names could not be renewed: {}", renewed.error().message());
        } else {
            for (const std::string& problem : renewed->problems) {
                if (std::ranges::find(told, problem) == told.end()) {
                    log::warning("node", "an IPNS name could not be renewed: {}", problem);
                }
            }
            told = std::move(renewed->problems);
        }
        co_await async::delay(kRenewalInterval);
    }
}

async::Task<void> publish_name(net::http::Exchange exchange,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ipfs::IpnsPublisher& publisher,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    boost::asio::thread_pool& pool) {
    const std::string query(exchange.request().query());
    const auto lifetime = seconds_of(query, "lifetime");
    const auto ttl = seconds_of(query, "ttl");
    if (!lifetime || !ttl) {
        co_await send_error(std::move(exchange), (lifetime ? ttl : lifetime).error());
        co_return;
    }
    const ipfs::Publication wanted{.key = query_value(query, "key"),
        .value = query_value(query, "value"),
        .lifetime = *lifetime,
        .ttl = *ttl};
    const auto published =
        co_await async::offload(pool, [&publisher, &wanted] { return publisher.publish(wanted); });
    if (!published) {
        co_await send_error(std::move(exchange), published.error());
        co_return;
    }
    co_await send_object(std::move(exchange),
        {{"name", published->name.to_string()}, {"value", published->record.value},
            {"sequence", published->record.sequence},
            {"valid_until", published->record.valid_until.value}});
}

async::Task<void> withdraw_name(net::http::Exchange exchange,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ipfs::IpnsPublisher& publisher,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    boost::asio::thread_pool& pool) {
    const std::string key = query_value(exchange.request().query(), "key");
    const auto withdrawn =
        co_await async::offload(pool, [&publisher, &key] { return publisher.withdraw(key); });
    if (!withdrawn) {
        co_await send_error(std::move(exchange), withdrawn.error());
        co_return;
    }
    co_await send_object(std::move(exchange), {{"key", key}});
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
        co_await send_error(std::move(exchange), kept.error());
        co_return;
    }
    co_await send_object(std::move(exchange), {{"name", *kept}});
}

}  // namespace decloud::node
