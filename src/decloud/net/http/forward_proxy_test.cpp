#include "forward_proxy.hpp"

#include "../testing/test_loop.hpp"

#include <decloud/async/event.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>
#include <string>

namespace decloud::net::http {
namespace {

using ::testing::HasSubstr;
using testing::RawClient;
using testing::run_loop;
using ::testing::StartsWith;
using testing::talk;
using testing::TestServer;

/// A proxy on loopback, as a sandbox's would be.
class TestProxy {
  public:
    TestProxy(async::Executor executor, ForwardProxySettings settings) {
        boost::asio::ip::tcp::acceptor listener(
            executor, {boost::asio::ip::address_v4::loopback(), 0});
        port_ = listener.local_endpoint().port();
        proxy_ = ForwardProxy::serve(executor, listener.release(), std::move(settings)).value();
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] ForwardProxy& proxy() { return *proxy_; }

  private:
    std::uint16_t port_ = 0;
    std::unique_ptr<ForwardProxy> proxy_;
};

ForwardProxySettings leads_to(const std::vector<std::string>& hosts) {
    ForwardProxySettings settings;
    settings.hosts = parse_host_rules(hosts).value();
    settings.policy.allow_loopback = true;
    return settings;
}

std::string at(std::string_view host, std::uint16_t port) {
    return fmt::format("{}:{}", host, port);
}

std::string connect_to(const std::string& authority) {
    return "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n";
}

std::string get_whole(const std::string& authority, std::string_view rest = {}) {
    return "GET http://" + authority + "/a?b HTTP/1.1\r\nHost: " + authority +
           "\r\nConnection: close\r\n" + std::string(rest) + "\r\n";
}

/// Says how it was asked, and sends back what it got.
async::Task<void> echo(Exchange exchange) {
    const RequestHead head = exchange.request();
    std::string text = head.method + " " + head.target + "\n";
    for (const Headers::Field field : head.headers) {
        text += fmt::format("{}={}\n", field.name, field.value);
    }
    const auto body = co_await exchange.read_all(1'000'000);
    (void)co_await exchange.send({}, text + std::string(as_text(body.value_or(Bytes{}))));
}

TEST(ForwardProxy, TunnelsToItsHostsAndCountsBytes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string host = at("localhost", server.port());
        TestProxy proxy(executor, leads_to({host}));
        RawClient client(executor);
        co_await client.connect(proxy.port());
        co_await client.send(connect_to(host));
        EXPECT_THAT(co_await client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
        const std::string request = "GET /inside HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        co_await client.send(request);
        const std::string answer = co_await client.read_to_end();
        EXPECT_THAT(answer, HasSubstr("GET /inside\nHost=x\n"));
        const ForwardProxyUse use = proxy.proxy().use();
        EXPECT_EQ(use.requests, 1U);
        EXPECT_EQ(use.refused, 0U);
        EXPECT_EQ(use.sent_bytes, request.size());
        EXPECT_EQ(use.received_bytes, answer.size());
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, TakesConnectOfHttp10AsOldClientsSendIt) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string host = at("localhost", server.port());
        TestProxy proxy(executor, leads_to({host}));
        RawClient client(executor);
        co_await client.connect(proxy.port());
        co_await client.send("CONNECT " + host + " HTTP/1.0\r\n\r\n");
        EXPECT_THAT(co_await client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
        co_await client.send("GET /old HTTP/1.0\r\n\r\n");
        EXPECT_THAT(co_await client.read_to_end(), HasSubstr("GET /old\n"));
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, PassesRequestsForWholeUrlsOn) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string host = at("localhost", server.port());
        TestProxy proxy(executor, leads_to({host}));
        const std::string answer = co_await talk(executor, proxy.port(),
            "POST http://" + host + "/a?b HTTP/1.1\r\nHost: " + host +
                "\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nProxy-Authorization: secret\r\n"
                "X-Other: 2\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
        EXPECT_THAT(answer, HasSubstr("POST /a?b\n"));
        EXPECT_THAT(answer, HasSubstr("Host=" + host + "\n"));
        EXPECT_THAT(answer, HasSubstr("X-Other=2\n"));
        EXPECT_THAT(answer, ::testing::Not(HasSubstr("X-Mine")));
        EXPECT_THAT(answer, ::testing::Not(HasSubstr("secret")));
        EXPECT_TRUE(answer.ends_with("body")) << answer;
        const ForwardProxyUse use = proxy.proxy().use();
        EXPECT_EQ(use.requests, 1U);
        EXPECT_GT(use.sent_bytes, 4U);
        EXPECT_GT(use.received_bytes, answer.size() / 2);
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, ServesConnectionsThatAreBroughtToIt) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        auto settings = leads_to({at("localhost", server.port())});
        settings.max_connections = 1;
        const auto proxy = ForwardProxy::make(executor, std::move(settings));
        const auto bring = [&proxy](RawClient& client) {
            std::array<int, 2> pair{};
            ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
            client.socket.assign(boost::asio::ip::tcp::v4(), pair[0]);
            proxy->add(pair[1]);
        };
        RawClient client(executor);
        bring(client);
        RawClient too_many(executor);
        bring(too_many);
        EXPECT_EQ(co_await too_many.read_to_end(), "");
        co_await client.send(get_whole(at("localhost", server.port())));
        EXPECT_THAT(co_await client.read_to_end(), HasSubstr("GET /a?b\n"));
        EXPECT_EQ(proxy->use().requests, 1U);
        co_await proxy->stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, StopsAmidARequestWhoseClientIsStillThere) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event asked(executor);
        async::Event left(executor);
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            asked.set();
            (void)co_await exchange.read_all(1000);
            left.set();
        });
        const auto proxy = ForwardProxy::make(executor, leads_to({at("localhost", server.port())}));
        std::array<int, 2> pair{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
        RawClient client(executor);
        client.socket.assign(boost::asio::ip::tcp::v4(), pair[0]);
        proxy->add(pair[1]);
        const std::string host = at("localhost", server.port());
        co_await client.send("POST http://" + host + "/ HTTP/1.1\r\nHost: " + host +
                             "\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo");
        EXPECT_TRUE(co_await asked.wait(std::chrono::seconds(30)));
        co_await proxy->stop();
        EXPECT_TRUE(co_await left.wait(std::chrono::seconds(30)));
        co_await server.stop();
    });
}

TEST(ForwardProxy, SaysOfWhichTypeAFailureIs) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            ResponseHead head;
            head.headers.add("Proxy-Status", "decloud; error=dns_error");
            (void)co_await exchange.send(std::move(head), std::string("from the host"));
        });
        boost::asio::ip::tcp::acceptor closed(executor);
        closed.open(boost::asio::ip::tcp::v4());
        closed.bind({boost::asio::ip::address_v4::loopback(), 0});
        const std::string nobody = at("localhost", closed.local_endpoint().port());
        const std::string host = at("localhost", server.port());
        auto settings = leads_to({host, nobody});
        settings.https_urls = true;
        TestProxy proxy(executor, std::move(settings));
        const auto expect = [&](std::string request, std::string_view type) -> async::Task<void> {
            const std::string answer = co_await talk(executor, proxy.port(), request);
            EXPECT_THAT(
                answer, HasSubstr(fmt::format("Proxy-Status: decloud; error={}\r\n", type)));
        };
        co_await expect(get_whole("localhost:1"), "http_request_denied");
        co_await expect(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "http_request_error");
        co_await expect(get_whole(nobody), "connection_refused");
        co_await expect(
            "GET https://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n",
            "tls_protocol_error");
        const std::string passed = co_await talk(executor, proxy.port(), get_whole(host));
        EXPECT_THAT(passed, HasSubstr("from the host"));
        EXPECT_THAT(passed, ::testing::Not(HasSubstr("Proxy-Status"))) << "a host speaks for it";
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, RefusesEverythingElse) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        std::size_t asked = 0;
        TestServer server(executor, [&asked](Exchange exchange) -> async::Task<void> {
            ++asked;
            return echo(std::move(exchange));
        });
        const std::uint16_t port = server.port();
        TestProxy proxy(executor, leads_to({at("localhost", port), "*.below.example"}));
        std::uint64_t refusals = 0;
        const auto expect = [&](std::string request, int status) -> async::Task<void> {
            const std::string answer = co_await talk(executor, proxy.port(), request);
            EXPECT_THAT(answer, StartsWith(fmt::format("HTTP/1.1 {} ", status))) << request;
            EXPECT_EQ(proxy.proxy().use().refused, ++refusals) << request;
        };
        for (const std::string& host : {at("127.0.0.1", port), at("[::1]", port),
                 at("other.example", 443), at("localhost", 22), at("below.example", 443),
                 at("0x7f.1", port), at("2130706433", port)}) {
            co_await expect(connect_to(host), 403);
            co_await expect(get_whole(host), 403);
        }
        co_await expect("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400);
        const std::string host = at("localhost", port);
        co_await expect(
            "GET https://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n",
            400);
        EXPECT_EQ(asked, 0U);
        EXPECT_EQ(proxy.proxy().use().requests, 0U);
        EXPECT_EQ(proxy.proxy().use().sent_bytes, 0U);
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, DialsNoAddressThatThePolicyForbids) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string host = at("localhost", server.port());
        ForwardProxySettings settings = leads_to({"*", host});
        settings.policy.allow_loopback = false;
        TestProxy proxy(executor, std::move(settings));
        for (const std::string& request : {connect_to(host), get_whole(host)}) {
            const std::string answer = co_await talk(executor, proxy.port(), request);
            EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 ")) << request;
        }
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, EndsWhatPassesItsBytes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        constexpr std::uint64_t kMost = 100'000;
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({}, std::string(2 * kMost, 'x'));
        });
        const std::string host = at("localhost", server.port());
        ForwardProxySettings settings = leads_to({host});
        settings.max_bytes_per_hour = kMost;
        TestProxy proxy(executor, std::move(settings));
        RawClient client(executor);
        co_await client.connect(proxy.port());
        co_await client.send(connect_to(host));
        (void)co_await client.read_until("\r\n\r\n");
        co_await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        const std::string answer = co_await client.read_to_end();
        EXPECT_LT(answer.size(), 2 * kMost);
        EXPECT_GE(proxy.proxy().use().received_bytes, kMost / 2);
        EXPECT_THAT(
            co_await talk(executor, proxy.port(), get_whole(host)), HasSubstr("are used up"));
        EXPECT_EQ(proxy.proxy().use().refused, 1U);
        co_await proxy.proxy().stop();
        co_await server.stop();
    });
}

TEST(ForwardProxy, StopsInTheMiddleOfTunnelsAndRequests) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event asked(executor);
        async::Event never(executor);
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            asked.set();
            (void)co_await never.wait(std::chrono::minutes(1));
            (void)co_await exchange.send({}, std::string());
        });
        const std::string host = at("localhost", server.port());
        TestProxy proxy(executor, leads_to({host}));
        RawClient tunnel(executor);
        co_await tunnel.connect(proxy.port());
        co_await tunnel.send(connect_to(host));
        (void)co_await tunnel.read_until("\r\n\r\n");
        RawClient request(executor);
        co_await request.connect(proxy.port());
        co_await request.send(get_whole(host));
        EXPECT_TRUE(co_await asked.wait(std::chrono::seconds(50)));
        co_await proxy.proxy().stop();
        EXPECT_EQ(co_await tunnel.read_to_end(), "");
        (void)co_await request.read_to_end();
        never.set();
        co_await server.stop();
    });
}

TEST(ForwardProxy, SaysWhatCannotBeReached) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        std::uint16_t closed = 0;
        {
            TestServer gone(executor, echo);
            closed = gone.port();
            co_await gone.stop();
        }
        const std::string host = at("localhost", closed);
        TestProxy proxy(executor, leads_to({host}));
        EXPECT_THAT(
            co_await talk(executor, proxy.port(), connect_to(host)), StartsWith("HTTP/1.1 502 "));
        EXPECT_THAT(
            co_await talk(executor, proxy.port(), get_whole(host)), StartsWith("HTTP/1.1 502 "));
        co_await proxy.proxy().stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
