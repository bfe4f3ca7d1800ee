#include "gateway.hpp"

#include "internal/alias_pages.hpp"
#include "internal/own_addresses.hpp"
#include "internal/tunnels.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/ascii.hpp>
#include <decloud/base/log.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/json_rpc.hpp>
#include <decloud/policy/barring.hpp>
#include <decloud/policy/policy_keeper.hpp>

#include <utility>

namespace decloud::gateway {

namespace {

constexpr std::size_t kMaxDomainBytes = 189;

Result<void> check_settings(const GatewaySettings& settings) {
    const std::string& domain = settings.proxy.domain;
    const bool lower_case =
        domain.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ:[") == std::string::npos;
    if (domain.empty() || domain.size() > kMaxDomainBytes || !lower_case ||
        domain.starts_with('.') || domain.ends_with('.') || !net::is_valid_authority(domain)) {
        return fail(CommonError::invalid_input,
            "the gateway's domain must be a host name in lower case, without a port");
    }
    if (settings.chain_urls.empty()) {
        return fail(CommonError::invalid_input, "the gateway needs the URL of a chain endpoint");
    }
    if (settings.registry.is_zero()) {
        return fail(CommonError::invalid_input, "the gateway needs the registry's address");
    }
    return {};
}

/// The gateway's domain, or (as long as that is localhost) this machine by its address.
bool is_own_host(std::string_view host, std::string_view domain) {
    const std::string_view name = host.substr(0, host.rfind(':'));
    return equals_ignoring_case(name, domain) ||
           (domain == "localhost" && (name == "127.0.0.1" || name == "[::1]"));
}

internal::TunnelSettings tunnel_settings(const GatewaySettings& settings) {
    internal::TunnelSettings tunnels;
    tunnels.domain = settings.signature_domain;
    tunnels.is_own_host = [domain = settings.proxy.domain](
                              std::string_view host) { return is_own_host(host, domain); };
    tunnels.is_own_name = [parent = "." + settings.proxy.domain](
                              std::string_view host) { return host.ends_with(parent); };
    tunnels.client = settings.proxy.client;
    return tunnels;
}

chain::JsonRpcSettings rpc_settings(const GatewaySettings& settings) {
    chain::JsonRpcSettings rpc;
    rpc.depth = settings.chain.depth;
    rpc.chain_id = settings.chain.chain_id;
    return rpc;
}

}  // namespace

class Gateway::Impl {
  public:
    Impl(async::Executor executor, const GatewaySettings& settings, const Clock& clock)
        : transport_(chain::make_http_transport(executor)),
          rpc_(*transport_, settings.chain_urls, rpc_settings(settings)),
          client_(rpc_),
          head_(executor, client_, clock, settings.chain),
          directory_(executor, client_, head_, settings.registry, settings.directory),
          catalogue_(executor, client_, head_, settings.registry, directory_, settings.catalogue),
          names_(executor, settings.ens, directory_, clock),
          tunnels_(executor, names_, clock, tunnel_settings(settings)),
          tasks_(executor),
          executor_(std::move(executor)) {}

    [[nodiscard]] Result<void> listen(GatewaySettings settings, metrics::Registry& metrics) {
        TRY(policy_, policy::PolicyKeeper::open(settings.policy_file));
        settings.proxy.bar = [this](std::string_view target, std::string_view provider) {
            return policy::bar_target(*policy_->current(), target, provider);
        };
        TRY_VOID(open_aliases(settings));
        TRY(server_,
            net::http::Server::listen(executor_, std::move(settings.listen), settings.server,
                [this](net::http::Exchange exchange) { return answer(std::move(exchange)); }));
        settings.proxy.tunnel = [this](const registry::Provider& provider) {
            return tunnels_.find(provider);
        };
        settings.proxy.may_come_back = [this](const registry::Provider& provider) {
            return tunnels_.may_come_back(provider);
        };
        settings.proxy.await_tunnel = [this](registry::Provider provider) {
            return tunnels_.await_return(std::move(provider));
        };
        settings.proxy.providers = [this] { return catalogue_.providers(); };
        for (auto& own : internal::own_addresses(server_->local_endpoint())) {
            settings.proxy.policy.own_addresses.push_back(std::move(own));
        }
        proxy_ = std::make_unique<Proxy>(
            executor_, names_, std::move(settings.proxy), [this] { return ready(); }, metrics);
        return {};
    }

    [[nodiscard]] Result<void> open_aliases(GatewaySettings& settings) {
        if (settings.alias_file.empty()) {
            return {};
        }
        const std::string& domain = settings.proxy.domain;
        TRY(aliases_, internal::AliasStore::open(settings.alias_file, pool_,
                          {.domain = settings.signature_domain, .gateway = domain}));
        alias_pages_ = std::make_unique<internal::AliasPages>(*aliases_, domain,
            [domain](std::string_view host) { return is_own_host(host, domain); });
        settings.proxy.alias = [this](std::string_view alias) { return aliases_->find(alias); };
        return {};
    }

    [[nodiscard]] async::Task<void> answer(net::http::Exchange exchange) {
        if (tunnels_.is_meant(exchange.request())) {
            return tunnels_.accept(std::move(exchange));
        }
        if (alias_pages_ && alias_pages_->is_meant(exchange.request())) {
            return alias_pages_->answer(std::move(exchange));
        }
        return proxy_->handle(std::move(exchange));
    }

    [[nodiscard]] Result<void> ready() const {
        const chain::ChainStatus status = head_.status();
        if (!status.ready) {
            return fail(CommonError::unavailable, status.reason);
        }
        return {};
    }

    [[nodiscard]] async::Task<void> run() {
        tasks_.spawn(policy_->run(pool_));
        tasks_.spawn(head_.run());
        tasks_.spawn(directory_.run());
        tasks_.spawn(catalogue_.run());
        tasks_.spawn(names_.run());
        log::info("gateway", "listening on {}", server_->local_endpoint().to_string());
        co_await server_->run();
    }

    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace) {
        co_await server_->stop(grace);
        co_await tunnels_.stop();
        co_await proxy_->stop();
        co_await names_.stop();
        co_await directory_.stop();
        tasks_.cancel();
        co_await tasks_.join();
        co_await transport_->stop();
        pool_.join();
    }

    [[nodiscard]] net::Endpoint endpoint() const { return server_->local_endpoint(); }
    [[nodiscard]] chain::ChainStatus chain_status() const { return head_.status(); }
    [[nodiscard]] std::size_t tunnel_count() const { return tunnels_.size(); }

  private:
    std::unique_ptr<chain::JsonRpcTransport> transport_;
    chain::JsonRpc rpc_;
    chain::EthereumClient client_;
    chain::HeadFollower head_;
    registry::ProviderDirectory directory_;
    registry::ProviderCatalogue catalogue_;
    registry::EnsDirectory names_;
    internal::Tunnels tunnels_;
    /// Reads the policy, writes aliases.
    boost::asio::thread_pool pool_{1};
    std::unique_ptr<policy::PolicyKeeper> policy_;
    std::unique_ptr<internal::AliasStore> aliases_;
    std::unique_ptr<internal::AliasPages> alias_pages_;
    std::unique_ptr<Proxy> proxy_;
    std::unique_ptr<net::http::Server> server_;
    async::TaskGroup tasks_;
    async::Executor executor_;
};

// The clock and the metrics outlive the gateway.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
async::Task<Result<std::unique_ptr<Gateway>>> Gateway::start(async::Executor executor,
    GatewaySettings settings,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Clock& clock,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    metrics::Registry& metrics) {
    CO_TRY_VOID(check_settings(settings));
    auto impl = std::make_unique<Impl>(std::move(executor), settings, clock);
    CO_TRY_VOID(impl->listen(std::move(settings), metrics));
    co_return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

net::Endpoint Gateway::endpoint() const { return impl_->endpoint(); }
async::Task<void> Gateway::run() { return impl_->run(); }
async::Task<void> Gateway::stop(std::chrono::milliseconds grace) { return impl_->stop(grace); }
chain::ChainStatus Gateway::chain_status() const { return impl_->chain_status(); }
std::size_t Gateway::tunnel_count() const { return impl_->tunnel_count(); }

}  // namespace decloud::gateway
