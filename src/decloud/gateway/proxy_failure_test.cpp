#include "gateway_test_support.hpp"
#include "proxy.hpp"

#include <decloud/base/json.hpp>
#include <decloud/net/error.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace decloud::gateway {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// The status of a refusal whose body must say `why`.
async::Task<void> expect_problem(
    Bench* bench, net::http::ClientRequest request, int status, std::string why) {
    auto answer = co_await bench->ask(std::move(request));
    EXPECT_TRUE(answer) << answer.error().message();
    if (!answer) {
        co_return;
    }
    EXPECT_EQ(answer->status(), status);
    EXPECT_EQ(answer->head().headers.find("Content-Type"), "application/problem+json");
    const auto text = co_await answer->read_all(100'000);
    const auto body = json::parse(as_text(text.value())).value().as_object();
    EXPECT_EQ(body.at("status").as_int64(), status);
    EXPECT_THAT(std::string(body.at("detail").as_string()), HasSubstr(why));
    if (status == 503) {
        EXPECT_TRUE(answer->head().headers.contains("Retry-After"));
    }
}

net::http::ClientRequest to_host(std::string host, std::string target = "/") {
    return {.target = std::move(target), .headers = {{"Host", host}}};
}

/// A port of loopback to which nobody listens.
std::uint16_t closed_port(const async::Executor& executor) {
    boost::asio::ip::tcp::acceptor acceptor(executor, {boost::asio::ip::address_v4::loopback(), 0});
    return acceptor.local_endpoint().port();
}

TEST(ProxyFailure, NamesAnUnknownProvider) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        co_await expect_problem(&bench, to_host("nobody.localhost"), 404,
            "no provider is registered as nobody.decloud");
        co_await expect_problem(&bench, to_host("a_b.localhost"), 400, "no provider's name");
        co_await expect_problem(
            &bench, to_host("localhost", "/nothing"), 404, "nothing at /nothing");
        co_await bench.stop();
    });
}

TEST(ProxyFailure, TellsABadRecordFromASilentChain) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        bench.source.failures = {{"bad.decloud", registry::RegistryError::unusable_record},
            {"far.decloud", registry::RegistryError::unavailable}};
        co_await expect_problem(&bench, to_host("bad.localhost"), 502, "bad.decloud");
        co_await expect_problem(&bench, to_host("far.localhost"), 503, "far.decloud");
        co_await bench.stop();
    });
}

TEST(ProxyFailure, SaysThatAProviderIsDown) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        bench.source.urls["alice.decloud"] =
            "http://127.0.0.1:" + std::to_string(closed_port(executor));
        co_await expect_problem(
            &bench, to_host("alice.localhost"), 502, "alice.decloud cannot be reached");
        co_await bench.stop();
    });
}

TEST(ProxyFailure, SaysThatAProviderIsSilent) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.client.head_timeout = 200ms;
        async::Event release(executor);
        Bench bench(
            executor,
            [&](net::http::Exchange exchange) -> async::Task<void> {
                EXPECT_TRUE(co_await release.wait(20s));
                exchange.abort();
            },
            settings);
        co_await expect_problem(&bench, to_host("alice.localhost"), 504, "did not answer in time");
        release.set();
        co_await bench.stop();
    });
}

TEST(ProxyFailure, SaysThatAProviderHungUpOrSpokeNonsense) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            exchange.abort();
            co_return;
        });
        co_await expect_problem(&bench, to_host("alice.localhost"), 502, "without an answer");
        boost::asio::ip::tcp::acceptor acceptor(
            executor, {boost::asio::ip::address_v4::loopback(), 0});
        bench.source.urls["alice.decloud"] =
            "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
        async::TaskGroup group(executor);
        group.spawn([](boost::asio::ip::tcp::acceptor* from) -> async::Task<void> {
            RawClient peer(from->get_executor());
            co_await from->async_accept(peer.socket, boost::asio::use_awaitable);
            co_await peer.send(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx");
            (void)co_await peer.read_to_end();
        }(&acceptor));
        co_await expect_problem(&bench, to_host("alice.localhost"), 502, "not proper HTTP");
        co_await group.join();
        co_await bench.stop();
    });
}

TEST(ProxyFailure, DoesNotDialForbiddenAddresses) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        bench.source.urls["alice.decloud"] = "http://169.254.169.254/";
        co_await expect_problem(&bench, to_host("alice.localhost"), 502, "does not dial");
        bench.source.urls["alice.decloud"] = "http://10.0.0.1/";
        co_await expect_problem(&bench, to_host("alice.localhost"), 502, "does not dial");
        co_await bench.stop();
    });
}

TEST(ProxyFailure, FindsALoop) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        bench.source.urls["alice.decloud"] = bench.gateway.url();
        co_await expect_problem(
            &bench, to_host("alice.localhost"), 508, "came back to this gateway");
        auto request = to_host("alice.localhost");
        request.headers.add("Via", "1.1 other , 1.1\t" + bench.proxy.pseudonym() + " (x)");
        co_await expect_problem(&bench, std::move(request), 508, "came back");
        co_await bench.stop();
    });
}

TEST(ProxyFailure, RefusesBodiesAboveItsLimit) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.max_body_bytes = 1000;
        Bench bench(
            executor,
            [](net::http::Exchange exchange) -> async::Task<void> {
                if (const auto body = co_await exchange.read_all(1 << 20)) {
                    (void)co_await exchange.send({}, std::to_string(body->size()));
                }
            },
            settings);
        co_await expect_problem(
            &bench, {.method = "POST", .target = "/", .body = Bytes(1001)}, 413, "larger");
        auto fits = co_await bench.ask({.method = "POST", .target = "/", .body = Bytes(1000)});
        EXPECT_EQ(fits->status(), 200);
        const std::string chunked = co_await talk(executor, bench.gateway.port(),
            "POST / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                std::string(1001, 'x') + "\r\n0\r\n\r\n");
        EXPECT_THAT(chunked, StartsWith("HTTP/1.1 413 "));
        co_await bench.stop();
    });
}

TEST(ProxyFailure, RefusesMalformedBodies) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            EXPECT_FALSE(co_await exchange.read_all(1 << 20));
            exchange.abort();
        });
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "POST / HTTP/1.1\r\nHost: alice.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nok\r\n-1\r\n");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
        co_await bench.stop();
    });
}

TEST(ProxyFailure, RefusesMoreRequestsThanItMayServe) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.max_concurrent = 1;
        async::Event arrived(executor);
        async::Event release(executor);
        Bench bench(
            executor,
            [&](net::http::Exchange exchange) -> async::Task<void> {
                arrived.set();
                EXPECT_TRUE(co_await release.wait(20s));
                (void)co_await exchange.send({}, std::string("done"));
            },
            settings);
        RawClient first(executor);
        co_await first.connect(bench.gateway.port());
        co_await first.send("GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n");
        EXPECT_TRUE(co_await arrived.wait(20s));
        co_await expect_problem(&bench, to_host("alice.localhost"), 503, "as many requests");
        auto health = co_await bench.ask(to_host("localhost", "/healthz"));
        EXPECT_EQ(health->status(), 200);
        release.set();
        EXPECT_THAT(co_await first.read_until("done"), StartsWith("HTTP/1.1 200 "));
        co_await bench.stop();
    });
}

TEST(ProxyFailure, PassesAHangUpOnBeforeTheAnswer) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event arrived(executor);
        async::Event gone(executor);
        Bench bench(executor, [&](net::http::Exchange exchange) -> async::Task<void> {
            const auto registration = exchange.hang_up().on_cancel([&] { gone.set(); });
            arrived.set();
            EXPECT_TRUE(co_await gone.wait(20s));
        });
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send("GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n");
        EXPECT_TRUE(co_await arrived.wait(20s));
        client.close();
        EXPECT_TRUE(co_await gone.wait(20s));
        co_await bench.stop();
        EXPECT_EQ(bench.proxy.active(), 0);
    });
}

TEST(ProxyFailure, PassesAHangUpOnInTheMiddleOfBodies) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event gone(executor);
        Bench bench(executor, [&](net::http::Exchange exchange) -> async::Task<void> {
            const auto registration = exchange.hang_up().on_cancel([&] { gone.set(); });
            EXPECT_TRUE(co_await exchange.start({}));
            EXPECT_TRUE(co_await exchange.write(as_bytes("begun")));
            EXPECT_FALSE(co_await exchange.read_all(1 << 20));
        });
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send(
            "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 100\r\n\r\nsome");
        EXPECT_THAT(co_await client.read_until("begun"), HasSubstr("200 OK"));
        client.close();
        EXPECT_TRUE(co_await gone.wait(20s));
        co_await bench.stop();
    });
}

TEST(ProxyFailure, BreaksTheAnswerThatTheProviderBreaks) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(co_await exchange.start({}));
            EXPECT_TRUE(co_await exchange.write(as_bytes("half")));
            exchange.abort();
        });
        const std::string answer = co_await talk(
            executor, bench.gateway.port(), "GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n");
        EXPECT_THAT(answer, Not(HasSubstr("\r\n0\r\n")));
        auto seen = co_await bench.ask(to_host("alice.localhost"));
        EXPECT_TRUE(!seen || !co_await seen->read_all(1000));
        co_await bench.stop();
    });
}

TEST(ProxyFailure, EndsAnAnswerThatStalls) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.client.idle_timeout = 200ms;
        async::Event gone(executor);
        Bench bench(
            executor,
            [&](net::http::Exchange exchange) -> async::Task<void> {
                const auto registration = exchange.hang_up().on_cancel([&] { gone.set(); });
                EXPECT_TRUE(co_await exchange.start({}));
                EXPECT_TRUE(co_await exchange.write(as_bytes("half")));
                EXPECT_TRUE(co_await gone.wait(20s));
            },
            settings);
        auto answer = co_await bench.ask(to_host("alice.localhost"));
        EXPECT_TRUE(answer);
        EXPECT_FALSE(co_await answer->read_all(1000));
        co_await bench.stop();
    });
}

TEST(ProxyFailure, ClosesIdleUpgradedConnections) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.upgraded_idle_timeout = 200ms;
        Bench bench(
            executor,
            [](net::http::Exchange exchange) -> async::Task<void> {
                auto stream = co_await exchange.upgrade({101, {}, {{"Upgrade", "websocket"}}});
                Bytes buffer(10);
                (void)co_await (*stream)->read(buffer);
            },
            settings);
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "GET / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\n\r\n");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 "));
        co_await bench.stop();
        EXPECT_EQ(bench.proxy.active(), 0);
    });
}

TEST(ProxyFailure, RefusesAnUpgradeThatNobodyAskedFor) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.upgrade({101, {}, {{"Upgrade", "websocket"}}});
        });
        co_await expect_problem(&bench, to_host("alice.localhost"), 502, "not proper HTTP");
        co_await bench.stop();
    });
}

TEST(ProxyFailure, SaysWhetherItIsReady) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        auto ready = co_await bench.ask(to_host("localhost", "/readyz"));
        EXPECT_EQ(ready->status(), 200);
        bench.readiness = fail(CommonError::unavailable, "the chain is away");
        co_await expect_problem(&bench, to_host("localhost", "/readyz"), 503, "the chain is away");
        auto alive = co_await bench.ask(to_host("localhost", "/healthz"));
        EXPECT_EQ(alive->status(), 200);
        co_await bench.stop();
    });
}

/// Keeps what was counted.
class CountingRegistry final : public metrics::Registry {
  public:
    struct Sum final : metrics::Counter {
        void add(double amount) override { value += amount; }
        double value = 0;
    };
    struct Observations final : metrics::Histogram {
        void observe(double /*value*/) override { ++count; }
        int count = 0;
    };
    metrics::Counter& counter(
        std::string_view name, std::string_view /*help*/, metrics::Labels labels) override {
        return sums[std::string(name) + " " + labels.at(0).second];
    }
    metrics::Gauge& gauge(
        std::string_view name, std::string_view help, metrics::Labels labels) override {
        return metrics::null_registry().gauge(name, help, std::move(labels));
    }
    metrics::Histogram& histogram(std::string_view /*name*/,
        std::string_view /*help*/,
        metrics::Labels /*labels*/,
        std::vector<double> /*bounds*/) override {
        return observations;
    }
    std::map<std::string, Sum> sums;
    Observations observations;
};

TEST(ProxyFailure, CountsAnswersByTheirClass) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        CountingRegistry counts;
        FixedSource source;
        Proxy proxy(executor, source, {}, [] { return Result<void>{}; }, counts);
        TestServer server(executor,
            [&](net::http::Exchange exchange) { return proxy.handle(std::move(exchange)); });
        (void)co_await talk(executor, server.port(),
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET / HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n");
        EXPECT_EQ(counts.sums["decloud_gateway_requests_total 2xx"].value, 1);
        EXPECT_EQ(counts.sums["decloud_gateway_requests_total 4xx"].value, 1);
        EXPECT_EQ(counts.observations.count, 2);
        co_await server.stop();
        co_await proxy.stop();
    });
}

}  // namespace
}  // namespace decloud::gateway
