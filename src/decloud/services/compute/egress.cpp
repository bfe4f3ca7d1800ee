#include "egress.hpp"

#include <decloud/net/http/forward_proxy.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::services {

namespace {

/// Of one call, with those that have not ended yet.
constexpr std::size_t kConnections = 64;

class FunctionProxy final : public sandbox::EgressConnections {
  public:
    explicit FunctionProxy(std::unique_ptr<net::http::ForwardProxy> proxy)
        : proxy_(std::move(proxy)) {}

    void add(int connection) override { proxy_->add(connection); }
    [[nodiscard]] sandbox::EgressUse use() const override {
        const net::http::ForwardProxyUse use = proxy_->use();
        return {.requests = use.requests,
            .refused = use.refused,
            .sent_bytes = use.sent_bytes,
            .received_bytes = use.received_bytes};
    }
    [[nodiscard]] async::Task<void> stop() override { return proxy_->stop(); }

  private:
    std::unique_ptr<net::http::ForwardProxy> proxy_;
};

class FunctionEgress final : public sandbox::Egress {
  public:
    FunctionEgress(async::Executor executor, net::http::ForwardProxySettings settings)
        : executor_(std::move(executor)), settings_(std::move(settings)) {}

    [[nodiscard]] Result<std::unique_ptr<sandbox::EgressProxy>> open(int listener) override {
        TRY(auto proxy, net::http::ForwardProxy::serve(executor_, listener, settings_));
        return std::make_unique<FunctionProxy>(std::move(proxy));
    }
    [[nodiscard]] std::unique_ptr<sandbox::EgressConnections> open() override {
        net::http::ForwardProxySettings settings = settings_;
        settings.https_urls = true;
        // The worker has a lower limit for what a component sends at the same time.
        settings.max_connections = kConnections;
        return std::make_unique<FunctionProxy>(
            net::http::ForwardProxy::make(executor_, std::move(settings)));
    }

  private:
    async::Executor executor_;
    net::http::ForwardProxySettings settings_;
};

}  // namespace

Result<std::shared_ptr<sandbox::Egress>> make_egress(
    async::Executor executor, net::HostRules wanted, const EgressSettings& settings) {
    if (wanted.empty()) {
        return nullptr;
    }
    if (const auto beyond = net::first_beyond(wanted, settings.hosts)) {
        return fail(CommonError::not_found,
            fmt::format(
                "it asks for {}, which this provider lets no function reach", beyond->to_string()));
    }
    net::http::ForwardProxySettings proxy;
    proxy.hosts = std::move(wanted);
    proxy.policy = settings.policy;
    proxy.max_bytes_per_hour = settings.bytes_per_hour;
    return std::make_shared<FunctionEgress>(std::move(executor), std::move(proxy));
}

}  // namespace decloud::services
