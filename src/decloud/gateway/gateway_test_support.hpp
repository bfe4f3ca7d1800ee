#pragma once

#include "proxy.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/net/testing/test_loop.hpp>

#include <map>
#include <string>
#include <utility>

namespace decloud::gateway::testing_support {

inline const net::IpAddress kLoopback = net::IpAddress::v4({127, 0, 0, 1});

using net::testing::RawClient;
using net::testing::run_loop;
using net::testing::talk;
using net::testing::TestServer;

/// Providers by full name.
class FixedSource final : public registry::ProviderSource {
  public:
    async::Task<Result<registry::Provider>> find(identity::ProviderName name) override {
        if (const auto failure = failures.find(name.full()); failure != failures.end()) {
            co_return fail(failure->second, name.full());
        }
        const auto url = urls.find(name.full());
        if (url == urls.end()) {
            co_return fail(registry::RegistryError::unknown_provider, name.full());
        }
        co_return registry::Provider{.name = name,
            .address = Address{{1}},
            .url = net::parse_url(url->second).value(),
            .rsa_key = std::nullopt};
    }
    std::map<std::string, std::string> urls;
    std::map<std::string, registry::RegistryError> failures;
};

inline net::OutboundPolicy loopback_policy() {
    net::OutboundPolicy policy;
    policy.allow_loopback = true;
    return policy;
}

/// A gateway without a chain, and a provider "alice.decloud" behind it that `upstream` plays.
class Bench {
  public:
    Bench(async::Executor executor,
        net::http::Handler upstream,
        ProxySettings settings = {},
        net::http::ServerSettings server = {})
        : provider(executor, std::move(upstream)),
          proxy(
              executor,
              source,
              with_policy(std::move(settings)),
              [this] { return readiness; },
              metrics::null_registry()),
          gateway(
              executor,
              [this](net::http::Exchange exchange) { return proxy.handle(std::move(exchange)); },
              server),
          client(executor, {}, loopback_policy()) {
        source.urls["alice.decloud"] = provider.url();
    }

    async::Task<void> stop() {
        co_await client.stop();
        co_await gateway.stop();
        co_await proxy.stop();
        co_await provider.stop();
    }

    /// Asks the gateway under the provider's own host.
    async::Task<Result<net::http::ClientResponse>> ask(net::http::ClientRequest request) {
        if (!request.headers.contains("Host")) {
            request.headers.add("Host", "alice.localhost");
        }
        return client.request(net::parse_url(gateway.url()).value(), std::move(request));
    }

    FixedSource source;
    Result<void> readiness;
    TestServer provider;
    Proxy proxy;
    TestServer gateway;
    net::http::Client client;

  private:
    static ProxySettings with_policy(ProxySettings settings) {
        settings.policy.allow_loopback = true;
        return settings;
    }
};

/// A provider that answers with the request's head as it arrived.
inline async::Task<void> echo_head(net::http::Exchange exchange) {
    std::string text = exchange.request().method + " " + exchange.request().target + "\n";
    for (const auto field : exchange.request().headers) {
        text.append(field.name).append(": ").append(field.value).append("\n");
    }
    (void)co_await exchange.send({}, std::move(text));
}

}  // namespace decloud::gateway::testing_support
