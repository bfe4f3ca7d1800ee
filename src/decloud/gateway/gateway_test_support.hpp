#pragma once

#include "proxy.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace decloud::gateway::testing_support {

inline const net::IpAddress kLoopback = net::IpAddress::v4({127, 0, 0, 1});

/// Runs one test's coroutine to its end, for at most a minute.
inline void run_loop(std::function<async::Task<void>(async::Executor)> body) {
    boost::asio::io_context io(1);
    bool ended = false;
    boost::asio::co_spawn(io, body(io.get_executor()), [&](std::exception_ptr error) {
        ended = true;
        if (error) {
            std::rethrow_exception(error);
        }
    });
    io.run_for(std::chrono::minutes(1));
    ASSERT_TRUE(ended) << "the test did not end";
}

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

/// A server on a free port of loopback.
class TestServer {
  public:
    TestServer(async::Executor executor,
        net::http::Handler handler,
        net::http::ServerSettings settings = {})
        : group_(executor),
          server_(
              net::http::Server::listen(executor, {kLoopback, 0, {}}, settings, std::move(handler))
                  .value()) {
        group_.spawn(server_->run());
    }
    [[nodiscard]] std::uint16_t port() const { return server_->local_endpoint().port; }
    [[nodiscard]] std::string url() const {
        return "http://" + server_->local_endpoint().to_string();
    }
    async::Task<void> stop() {
        co_await server_->stop(std::chrono::seconds(2));
        co_await group_.join();
    }

  private:
    async::TaskGroup group_;
    std::unique_ptr<net::http::Server> server_;
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

/// Sends and receives bytes as they are.
class RawClient {
  public:
    explicit RawClient(async::Executor executor) : socket(executor) {}

    async::Task<void> connect(std::uint16_t port) {
        co_await socket.async_connect(
            {boost::asio::ip::address_v4::loopback(), port}, boost::asio::use_awaitable);
    }
    async::Task<void> send(std::string bytes) {
        boost::system::error_code ignored;
        co_await boost::asio::async_write(socket, boost::asio::buffer(bytes),
            boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    async::Task<std::string> read_until(std::string end) {
        while (received.find(end) == std::string::npos && co_await read_some()) {
        }
        const std::size_t at = received.find(end);
        const std::size_t size = at == std::string::npos ? received.size() : at + end.size();
        std::string taken = received.substr(0, size);
        received.erase(0, size);
        co_return taken;
    }
    async::Task<std::string> read_to_end() {
        while (co_await read_some()) {
        }
        co_return std::exchange(received, {});
    }
    async::Task<bool> read_some() {
        std::array<char, 4096> buffer{};
        boost::system::error_code error;
        const std::size_t got = co_await socket.async_read_some(boost::asio::buffer(buffer),
            boost::asio::redirect_error(boost::asio::use_awaitable, error));
        received.append(buffer.data(), got);
        co_return !error;
    }
    void close() {
        boost::system::error_code ignored;
        socket.close(ignored);
    }

    boost::asio::ip::tcp::socket socket;
    std::string received;
};

inline async::Task<std::string> talk(
    async::Executor executor, std::uint16_t port, std::string bytes) {
    RawClient client(executor);
    co_await client.connect(port);
    co_await client.send(std::move(bytes));
    co_return co_await client.read_to_end();
}

/// A provider that answers with the request's head as it arrived.
inline async::Task<void> echo_head(net::http::Exchange exchange) {
    std::string text = exchange.request().method + " " + exchange.request().target + "\n";
    for (const auto field : exchange.request().headers) {
        text.append(field.name).append(": ").append(field.value).append("\n");
    }
    (void)co_await exchange.send({}, std::move(text));
}

}  // namespace decloud::gateway::testing_support
