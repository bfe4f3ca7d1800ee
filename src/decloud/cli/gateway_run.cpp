#include "gateway_run.hpp"

#include "internal/listener_tls.hpp"
#include "internal/service_loop.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/log.hpp>
#include <decloud/client/error.hpp>
#include <decloud/gateway/gateway.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/node/console.hpp>
#include <decloud/node/process_gauges.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace decloud::cli {

namespace {

constexpr std::chrono::milliseconds kGrace{5000};
constexpr std::chrono::milliseconds kConsoleGrace{1000};

gateway::RequestLimit limit_of(const client::RequestLimitConfig& config) {
    return {.per_second = static_cast<std::uint32_t>(config.per_second),
        .burst = static_cast<std::uint32_t>(config.burst),
        .concurrent = static_cast<std::uint32_t>(config.concurrent)};
}

Result<gateway::GatewaySettings> gateway_settings(const Workspace& workspace) {
    const client::Config& config = workspace.config;
    if (config.chain.rpc_urls.empty()) {
        return fail_with_help(ClientError::usage, "this home knows no chain",
            "decloud up, or write [chain] into config.toml");
    }
    gateway::GatewaySettings settings;
    TRY(settings.listen, net::parse_endpoint(config.gateway.listen));
    settings.chain_urls = config.chain.rpc_urls;
    settings.chain.depth = config.chain.finality_depth;
    settings.chain.chain_id = config.chain.chain_id;
    settings.registry = config.chain.contracts.registry;
    settings.catalogue.first_block = config.chain.first_block;
    settings.ens = config.chain.ens;
    settings.policy_file = workspace.home.policy_file();
    TRY(settings.server.tls, internal::load_tls(config.gateway));
    settings.proxy.scheme = settings.server.tls ? "https" : "http";
    settings.alias_file = workspace.home.aliases_file();
    settings.signature_domain = signature_domain(config.chain);
    settings.proxy.limits = {.address = limit_of(config.gateway.per_address),
        .payer = limit_of(config.gateway.per_payer),
        .deployment = limit_of(config.gateway.per_deployment)};
    settings.proxy.records = {.access_log = config.gateway.access_log,
        .traces = {.per_thousand = config.gateway.traces_per_thousand}};
    settings.proxy.domain = config.gateway.domain;
    settings.proxy.policy.allow_loopback = config.gateway.allow_local_providers;
    settings.proxy.policy.allow_private = config.gateway.allow_local_providers;
    return settings;
}

/// A gateway and, if it is wanted, its console.
class GatewayService {
  public:
    explicit GatewayService(async::Executor executor) : executor_(std::move(executor)) {}

    [[nodiscard]] async::Task<Result<void>> start(
        gateway::GatewaySettings settings, std::optional<net::Endpoint> console) {
        CO_TRY(gateway_, co_await gateway::Gateway::start(
                             executor_, std::move(settings), system_clock(), *metrics_));
        log::info("gateway", "listens on {}", gateway_->endpoint().to_string());
        if (console) {
            CO_TRY(console_, net::http::Server::listen(executor_, std::move(*console), {},
                                 [this](net::http::Exchange exchange) {
                                     return node::answer_console(std::move(exchange), context_);
                                 }));
            log::info("gateway", "console on {}", console_->local_endpoint().to_string());
        }
        co_return Result<void>{};
    }

    [[nodiscard]] async::Task<void> run() {
        async::TaskGroup servers(executor_);
        servers.spawn(gateway_->run());
        if (console_) {
            servers.spawn(console_->run());
        }
        co_await servers.join();
    }

    [[nodiscard]] async::Task<void> stop() {
        if (console_) {
            co_await console_->stop(kConsoleGrace);
        }
        co_await gateway_->stop(kGrace);
    }

  private:
    async::Executor executor_;
    std::unique_ptr<node::MetricsRegistry> metrics_ = node::make_metrics_registry();
    std::unique_ptr<gateway::Gateway> gateway_;
    node::ProcessGauges gauges_{*metrics_, [this] { return gateway_->chain_status(); }};
    metrics::Gauge& tunnels_ = metrics_->gauge(
        "decloud_gateway_tunnels", "Tunnels that providers have open to this gateway.", {});
    node::ConsoleContext context_{*metrics_, [this] { return gateway_->chain_status(); },
        "decloud gateway",
        [this] {
            gauges_.set();
            tunnels_.set(static_cast<double>(gateway_->tunnel_count()));
        }};
    std::unique_ptr<net::http::Server> console_;
};

async::Task<Result<internal::Service>> start_gateway(async::Executor executor,
    gateway::GatewaySettings settings,
    std::optional<net::Endpoint> console) {
    const auto service = std::make_shared<GatewayService>(std::move(executor));
    const auto tls = settings.server.tls;
    CO_TRY_VOID(co_await service->start(std::move(settings), std::move(console)));
    co_return internal::Service{.run = [service] { return service->run(); },
        .stop = [service] { return service->stop(); },
        .reload = [tls] { internal::reload_tls(tls); }};
}

}  // namespace

Outcome run_gateway(const Context& context, const std::string& console) {
    TRY(const Workspace workspace, context.open());
    TRY(gateway::GatewaySettings settings, gateway_settings(workspace));
    const std::string& address = console.empty() ? workspace.config.gateway.console : console;
    std::optional<net::Endpoint> endpoint;
    if (!address.empty()) {
        TRY(endpoint, net::parse_endpoint(address));
    }
    return internal::run_service(
        [settings = std::move(settings), endpoint](
            async::Executor executor) { return start_gateway(executor, settings, endpoint); });
}

}  // namespace decloud::cli
