#include "provider_run.hpp"

#include "internal/listener_tls.hpp"
#include "internal/passphrase.hpp"
#include "internal/service_loop.hpp"

#include <decloud/base/log.hpp>
#include <decloud/client/economics.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/provider_setup.hpp>
#include <decloud/kubo/api.hpp>
#include <decloud/node/node.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kRowsOfLeastChannel = 100;
constexpr std::uint64_t kMaxSecretBytes = 4096;

Result<std::optional<kubo::ApiSettings>> kubo_settings(const client::ContentConfig& content) {
    if (content.engine != "kubo") {
        return std::nullopt;
    }
    kubo::ApiSettings settings;
    TRY(settings.url, net::parse_url(content.kubo_api));
    if (!content.kubo_secret_file.empty()) {
        const auto secret = store::read_file(content.kubo_secret_file, kMaxSecretBytes);
        auto authorization = secret ? kubo::authorization_of(as_text(*secret))
                                    : Result<std::string>(fail(secret.error()));
        if (!authorization) {
            return fail(
                authorization.error().within("kubo_secret_file " + content.kubo_secret_file));
        }
        settings.authorization = std::move(*authorization);
    }
    return settings;
}

Result<node::NodeSettings> node_settings(const Context& context, const Workspace& workspace) {
    const client::Config& config = workspace.config;
    if (config.provider.name.empty() || config.chain.rpc_urls.empty()) {
        return fail_with_help(ClientError::usage, "this home is not set up to sell anything",
            "decloud provider register NAME, or decloud up for a whole local cloud");
    }
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(const auto name, identity::ProviderName::parse(config.provider.name));
    TRY(const auto delegation,
        client::ensure_delegation(workspace.home.delegation_file(), keys, config.provider.account,
            name, signature_domain(config.chain), context.clock().unix_seconds()));
    TRY_VOID(client::check_key(delegation.fields.account, config.chain));
    node::NodeSettings settings;
    settings.home = workspace.home.node();
    settings.keys = workspace.home.keys();
    settings.services = workspace.home.config / "services";
    TRY(settings.public_listen, net::parse_endpoint(config.provider.listen));
    TRY(settings.public_server.tls, internal::load_tls(config.provider));
    if (config.provider.http_proxy) {
        settings.public_server.connect = net::http::ConnectRequests::parsed;
    }
    TRY(settings.console_listen, net::parse_endpoint(config.provider.console));
    settings.operator_socket = workspace.home.operator_socket();
    settings.provider_name = name.full();
    settings.provider = delegation.fields.account;
    settings.public_url = config.provider.public_url;
    settings.delegation = delegation;
    settings.rpc_urls = config.chain.rpc_urls;
    settings.chain_id = config.chain.chain_id;
    settings.contracts = config.chain.contracts;
    settings.finality_depth = config.chain.finality_depth;
    settings.first_block = config.chain.first_block;
    settings.price = config.provider.price;
    settings.exposure = {.channel = config.provider.max_exposure_per_channel,
        .identity = config.provider.max_exposure_per_identity,
        .node = config.provider.max_exposure};
    TRY(settings.thresholds.row_cost, client::row_cost(client::escrow_gas(), config.provider.gas));
    // A row is at most a hundredth of what such a channel has.
    settings.least_channel = std::max(
        settings.least_channel, Amount(settings.thresholds.row_cost.units() * kRowsOfLeastChannel));
    settings.free_bytes = config.provider.free_bytes;
    if (config.provider.x402 != "off") {
        settings.x402 =
            config.provider.x402 == "sent" ? payments::X402Mode::sent : payments::X402Mode::settled;
    }
    if (config.trials.automatic != "off") {
        settings.trials = {.calls_per_identity = config.trials.calls_per_identity,
            .calls_per_day = config.trials.calls_per_day,
            .anyone = config.trials.automatic == "anyone",
            .listed = {config.trials.listed.begin(), config.trials.listed.end()}};
    }
    settings.x402_max_unsettled = config.provider.x402_max_unsettled;
    for (const std::string& peer : config.provider.peers) {
        TRY(settings.peers.emplace_back(), net::parse_url(peer));
    }
    for (const std::string& source : config.provider.content_sources) {
        TRY(settings.content_sources.emplace_back(), net::parse_url(source));
    }
    for (const std::string& router : config.provider.content_routers) {
        TRY(settings.content_routers.emplace_back(), net::parse_url(router));
    }
    TRY(settings.kubo, kubo_settings(config.content));
    settings.announces = config.content.announce;
    settings.domains = {.asks_dns = config.provider.dnslink, .websites = config.provider.websites};
    for (const std::string& server : config.provider.dns_servers) {
        TRY(settings.domains.servers.emplace_back(), net::parse_endpoint(server));
    }
    settings.outbound.allow_loopback = config.gateway.allow_local_providers;
    settings.outbound.allow_private = config.gateway.allow_local_providers;
    for (const std::string& gateway : config.provider.gateways) {
        TRY(const net::IpAddress address, net::parse_ip_address(gateway));
        settings.trusted_gateways.push_back(address.unmapped());
    }
    settings.records = {.access_log = config.provider.access_log,
        .traces = {.per_thousand = config.provider.traces_per_thousand}};
    settings.failed_attempts_per_minute = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(config.provider.failed_attempts, 1'000'000));
    settings.cache_bytes = config.provider.cache_bytes;
    settings.policy_file = workspace.home.policy_file();
    settings.native_wall = std::chrono::seconds(config.provider.native_seconds);
    settings.server_freeze = std::chrono::seconds(config.provider.freeze_seconds);
    settings.stream_interval = std::chrono::seconds(config.provider.stream_seconds);
    settings.runtimes = config.provider.runtimes;
    settings.egress.hosts = config.provider.egress;
    settings.egress.policy.allow_private = config.provider.egress_private;
    settings.egress.policy.allow_loopback = config.provider.egress_private;
    settings.egress.bytes_per_hour = config.provider.egress_bytes_per_hour;
    for (const net::IpAddress& ip : {settings.console_listen.ip, net::IpAddress::v4({127, 0, 0, 1}),
             net::IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})}) {
        settings.egress.policy.own_addresses.emplace_back(ip, settings.console_listen.port);
    }
    return settings;
}

async::Task<Result<internal::Service>> start_node(
    async::Executor executor, node::NodeSettings settings) {
    const auto tls = settings.public_server.tls;
    auto started = co_await node::Node::start(executor, std::move(settings), system_clock());
    if (!started) {
        co_return fail(std::move(started.error()));
    }
    const std::shared_ptr<node::Node> node = std::move(*started);
    log::info("provider", "listens on {}, console on {}", node->public_endpoint().to_string(),
        node->console_endpoint().to_string());
    co_return internal::Service{.run = [node] { return node->run(); },
        .stop = [node] { return node->stop(); },
        .reload = [tls] { internal::reload_tls(tls); }};
}

}  // namespace

Outcome run_provider(const Context& context, const std::vector<std::string>& tunnels) {
    TRY(const Workspace workspace, context.open());
    TRY(node::NodeSettings settings, node_settings(context, workspace));
    for (const std::string& tunnel : tunnels) {
        TRY(settings.tunnels.emplace_back(), net::parse_url(tunnel));
        // The callers' addresses are in Forwarded; the link itself has none.
        settings.trusted_gateways.emplace_back();
    }
    if (context.passphrases) {
        context.passphrases->forget();
    }
    return internal::run_service([settings = std::move(settings)](async::Executor executor) {
        return start_node(executor, settings);
    });
}

}  // namespace decloud::cli
