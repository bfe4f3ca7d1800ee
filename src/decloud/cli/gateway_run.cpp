#include "gateway_run.hpp"

#include "internal/service_loop.hpp"

#include <decloud/base/log.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/client/error.hpp>
#include <decloud/gateway/gateway.hpp>

namespace decloud::cli {

namespace {

constexpr std::chrono::milliseconds kGrace{5000};

Result<gateway::GatewaySettings> gateway_settings(const client::Config& config) {
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
    settings.proxy.domain = config.gateway.domain;
    settings.proxy.policy.allow_loopback = config.gateway.allow_local_providers;
    settings.proxy.policy.allow_private = config.gateway.allow_local_providers;
    return settings;
}

async::Task<Result<internal::Service>> start_gateway(
    async::Executor executor, gateway::GatewaySettings settings) {
    auto started = co_await gateway::Gateway::start(
        executor, std::move(settings), system_clock(), metrics::null_registry());
    if (!started) {
        co_return fail(std::move(started.error()));
    }
    const std::shared_ptr<gateway::Gateway> gateway = std::move(*started);
    log::info("gateway", "listens on {}", gateway->endpoint().to_string());
    co_return internal::Service{.run = [gateway] { return gateway->run(); },
        .stop = [gateway] { return gateway->stop(kGrace); }};
}

}  // namespace

Outcome run_gateway(const Context& context) {
    TRY(const Workspace workspace, context.open());
    TRY(gateway::GatewaySettings settings, gateway_settings(workspace.config));
    return internal::run_service([settings = std::move(settings)](async::Executor executor) {
        return start_gateway(executor, settings);
    });
}

}  // namespace decloud::cli
