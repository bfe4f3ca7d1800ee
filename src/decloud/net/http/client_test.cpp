#include "client.hpp"

#include "../error.hpp"
#include "../testing/test_loop.hpp"

#include <decloud/async/event.hpp>
#include <decloud/base/units.hpp>

#include <boost/asio/local/stream_protocol.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

namespace decloud::net::http {
namespace {

using testing::run_loop;
using testing::TestServer;
using namespace std::chrono_literals;
namespace asio = boost::asio;

async::Task<void> echo(Exchange exchange) {
    auto body = co_await exchange.read_all(64 * kMiB);
    EXPECT_TRUE(body.has_value());
    ResponseHead head;
    head.headers.add("X-Method", exchange.request().method);
    head.headers.add("X-Target", exchange.request().target);
    head.headers.add("X-Host", exchange.request().headers.find("host").value_or("none"));
    (void)co_await exchange.send(std::move(head), std::move(*body));
}

/// Answers each connection by a script: reads a head, sends the bytes, closes if told.
struct Script {
    struct Connection {
        std::vector<std::string> answers;
    };
    Script(async::Executor executor_in, std::vector<Connection> connections_in)
        : executor(executor_in),
          acceptor(executor, {asio::ip::address_v4::loopback(), 0}),
          connections(std::move(connections_in)),
          group(executor),
          closed(executor) {
        group.spawn(run());
    }
    async::Task<void> run() {
        for (Connection& connection : connections) {
            boost::system::error_code error;
            testing::RawClient peer(executor);
            co_await acceptor.async_accept(
                peer.socket, asio::redirect_error(asio::use_awaitable, error));
            ++accepted;
            for (std::string& answer : connection.answers) {
                requests.push_back(co_await peer.read_until("\r\n\r\n"));
                co_await peer.send(std::move(answer));
            }
            peer.socket.close();
            closed.set();
        }
    }
    [[nodiscard]] Url url() const {
        return parse_url(
            "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/")
            .value();
    }
    async::Executor executor;
    asio::ip::tcp::acceptor acceptor;
    std::vector<Connection> connections;
    std::vector<std::string> requests;
    int accepted = 0;
    async::TaskGroup group;
    async::Event closed;
};

std::string text_of(const Result<Bytes>& body) {
    return body ? std::string(as_text(*body)) : "failed: " + body.error().message();
}

BodySource source_of(std::vector<std::string> parts, std::optional<std::uint64_t> length) {
    auto left = std::make_shared<std::vector<std::string>>(std::move(parts));
    BodySource source;
    source.length = length;
    source.read = [left](std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
        if (left->empty()) {
            co_return std::size_t{0};
        }
        const std::string part = left->front();
        left->erase(left->begin());
        std::ranges::copy(part, buffer.begin());
        co_return part.size();
    };
    return source;
}

TEST(HttpClient, ReusesItsConnections) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        Client client(executor, {}, OutboundPolicy::trusted());
        const Url url = parse_url(server.url() + "/path?q=1").value();
        for (int round = 0; round < 5; ++round) {
            ClientRequest request{.method = "POST", .body = to_bytes("body")};
            auto response = co_await client.request(url, std::move(request));
            EXPECT_TRUE(response.has_value());
            EXPECT_EQ(text_of(co_await response->read_all(100)), "body");
            EXPECT_EQ(response->head().headers.find("X-Target"), "/path?q=1");
        }
        EXPECT_EQ(client.connections_made(), 1U);
        ClientRequest named{.target = "/%2e/byte?for=byte&&", .headers = {{"Host", "alice.x"}}};
        auto response = co_await client.request(url, std::move(named));
        EXPECT_EQ(response->head().headers.find("X-Target"), "/%2e/byte?for=byte&&");
        EXPECT_EQ(response->head().headers.find("X-Host"), "alice.x");
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, StreamsBothWaysAtOnce) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(co_await exchange.start({}));
            Bytes buffer(4096);
            for (;;) {
                const auto got = co_await exchange.read(buffer);
                EXPECT_TRUE(got.has_value());
                if (!got || *got == 0) {
                    break;
                }
                EXPECT_TRUE(co_await exchange.write(BytesView(buffer).first(*got)));
            }
            const std::string sum(exchange.trailers().find("X-Sum").value_or("none"));
            EXPECT_TRUE(co_await exchange.finish({{"X-Back", sum}}));
        });
        Client client(executor, {}, OutboundPolicy::trusted());
        async::Event more(executor);
        BodySource source;
        auto sent = std::make_shared<int>(0);
        source.read = [&more, sent](
                          std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
            if (++*sent > 3) {
                co_return std::size_t{0};
            }
            EXPECT_TRUE(co_await more.wait(5s));
            more.reset();
            buffer[0] = static_cast<std::uint8_t>('0' + *sent);
            co_return std::size_t{1};
        };
        source.trailers = [] { return Headers{{"X-Sum", "42"}}; };
        ClientRequest request{.method = "POST", .body = std::move(source)};
        auto response =
            co_await client.request(parse_url(server.url()).value(), std::move(request));
        EXPECT_TRUE(response.has_value());
        Bytes buffer(10);
        for (const char expected : {'1', '2', '3'}) {
            // The next part is sent only now, so the answer's part cannot be older than it.
            more.set();
            EXPECT_EQ((co_await response->read(buffer)).value(), 1U);
            EXPECT_EQ(buffer[0], expected);
        }
        EXPECT_EQ((co_await response->read(buffer)).value(), 0U);
        EXPECT_EQ(response->trailers().find("x-back"), "42");
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, SendsLargeBodiesWhole) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        Client client(executor, {}, OutboundPolicy::trusted());
        Bytes large(3 * kMiB + 7);
        for (std::size_t index = 0; index < large.size(); ++index) {
            large[index] = static_cast<std::uint8_t>(index * 31 >> 3);
        }
        ClientRequest request{.method = "PUT", .body = large};
        auto response =
            co_await client.request(parse_url(server.url()).value(), std::move(request));
        EXPECT_EQ(co_await response->read_all(10 * kMiB), large);
        ClientRequest again{.method = "PUT", .body = large};
        response = co_await client.request(parse_url(server.url()).value(), std::move(again));
        EXPECT_EQ((co_await response->read_all(1000)).error().code(), CommonError::limit_exceeded);
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, AsksForTheBodyOnlyAfterContinue) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            if (exchange.request().target == "/refuse") {
                (void)co_await exchange.send({402, {}, {}}, std::string("pay"));
                co_return;
            }
            co_await echo(std::move(exchange));
        });
        Client client(executor, {}, OutboundPolicy::trusted());
        for (const std::string target : {"/refuse", "/take"}) {
            bool continued = false;
            bool asked_early = false;
            int asked = 0;
            BodySource source = source_of({"data"}, 4);
            source.read = [&, inner = source.read](std::span<std::uint8_t> buffer) {
                asked_early = asked_early || !continued;
                ++asked;
                return inner(buffer);
            };
            ClientRequest request{.method = "POST",
                .target = target,
                .headers = {{"Expect", "100-continue"}},
                .body = std::move(source),
                .on_continue = [&] { continued = true; }};
            auto response =
                co_await client.request(parse_url(server.url()).value(), std::move(request));
            const bool taken = target == "/take";
            EXPECT_EQ(response->status(), taken ? 200 : 402);
            EXPECT_EQ(text_of(co_await response->read_all(100)), taken ? "data" : "pay");
            EXPECT_EQ(asked, taken ? 1 : 0);
            EXPECT_FALSE(asked_early);
        }
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, TakesAnEarlyAnswerAndStopsSending) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({413, {}, {}}, std::string("no"));
        });
        Client client(executor, {}, OutboundPolicy::trusted());
        async::Event never(executor);
        auto state = std::make_shared<std::string>("waiting");
        BodySource source;
        source.read = [&never, state](std::span<std::uint8_t>) -> async::Task<Result<std::size_t>> {
            const auto woken = co_await never.wait(30s);
            *state = woken ? "woken" : woken.error().message();
            co_return std::size_t{0};
        };
        ClientRequest request{.method = "POST", .body = std::move(source)};
        auto response =
            co_await client.request(parse_url(server.url()).value(), std::move(request));
        EXPECT_EQ(response->status(), 413);
        EXPECT_EQ(text_of(co_await response->read_all(100)), "no");
        co_await client.stop();
        EXPECT_NE(*state, "woken");
        EXPECT_NE(*state, "timed out");
        co_await server.stop();
    });
}

TEST(HttpClient, RetriesOnceOnAConnectionThatTheServerHasClosed) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        // The second request of the first connection is read and then dropped without a byte.
        Script script(executor, {{{ok, ""}}, {{ok, ""}}, {{ok}}});
        Client client(executor, {}, OutboundPolicy::trusted());
        for (int round = 0; round < 2; ++round) {
            auto response = co_await client.request(script.url(), {});
            EXPECT_TRUE(response.has_value());
            EXPECT_EQ(text_of(co_await response->read_all(10)), "ok");
        }
        EXPECT_EQ(client.connections_made(), 2U);
        // A POST may have been carried out: it is not sent twice.
        auto response = co_await client.request(script.url(), {.method = "POST"});
        EXPECT_EQ(response.error().code(), NetError::connection_closed);
        EXPECT_EQ(client.connections_made(), 2U);
        EXPECT_EQ(script.requests.size(), 4U);
        response = co_await client.request(script.url(), {.method = "POST"});
        EXPECT_EQ(text_of(co_await response->read_all(10)), "ok");
        co_await client.stop();
        co_await script.group.join();
    });
}

TEST(HttpClient, SendsNothingTwiceThatMayHaveArrivedWhereRequestsCostMoney) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        // The second request is read and then dropped without a byte.
        Script script(executor, {{{ok, ""}}, {{ok}}});
        ClientSettings settings;
        settings.replay_idempotent = false;
        Client client(executor, settings, OutboundPolicy::trusted());
        auto response = co_await client.request(script.url(), {});
        EXPECT_EQ(text_of(co_await response->read_all(10)), "ok");
        response = co_await client.request(script.url(), {});
        EXPECT_EQ(response.error().code(), NetError::connection_closed);
        EXPECT_EQ(script.requests.size(), 2U);
        EXPECT_EQ(client.connections_made(), 1U);
        response = co_await client.request(script.url(), {});
        EXPECT_EQ(text_of(co_await response->read_all(10)), "ok");
        EXPECT_EQ(script.requests.size(), 3U);
        co_await client.stop();
        co_await script.group.join();
    });
}

TEST(HttpClient, DoesNotUseAConnectionThatWasClosedMeanwhile) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        Script script(executor, {{{ok}}, {{ok}}});
        Client client(executor, {}, OutboundPolicy::trusted());
        auto response = co_await client.request(script.url(), {.method = "POST"});
        EXPECT_EQ(text_of(co_await response->read_all(10)), "ok");
        EXPECT_TRUE(co_await script.closed.wait(5s));
        response = co_await client.request(script.url(), {.method = "POST"});
        EXPECT_EQ(text_of(co_await response->read_all(10)), "ok");
        co_await client.stop();
        co_await script.group.join();
    });
}

TEST(HttpClient, ReportsBrokenAnswers) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        struct Case {
            std::string answer;
            std::error_code head;
            std::error_code body;
        };
        const std::error_code none;
        const std::vector<Case> cases{
            {"", NetError::connection_closed, none},
            {"HTTP/1.1 200", NetError::connection_closed, none},
            {"HTTP/2 200 OK\r\n\r\n", NetError::malformed_message, none},
            {"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", NetError::malformed_message, none},
            {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                NetError::malformed_message, none},
            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", none, NetError::connection_closed},
            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", none,
                NetError::connection_closed},
            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", none,
                NetError::malformed_message},
            {"HTTP/1.1 200 OK\r\n\r\nuntil the end", none, none},
            {"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
                none, none},
        };
        std::vector<Script::Connection> connections;
        for (const Case& one : cases) {
            connections.push_back({{one.answer}});
        }
        Script script(executor, std::move(connections));
        Client client(executor, {}, OutboundPolicy::trusted());
        for (const Case& one : cases) {
            SCOPED_TRACE(one.answer);
            auto response = co_await client.request(script.url(), {});
            EXPECT_EQ(response ? none : response.error().code(), one.head);
            if (response) {
                const auto body = co_await response->read_all(100);
                EXPECT_EQ(body ? none : body.error().code(), one.body);
            }
        }
        co_await client.stop();
        co_await script.group.join();
    });
}

TEST(HttpClient, GivesUpOnASilentServer) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event ended(executor);
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            const auto token = exchange.hang_up();
            const auto registration = token.on_cancel([&] { ended.set(); });
            EXPECT_TRUE(co_await ended.wait(5s));
        });
        ClientSettings settings;
        settings.head_timeout = 60ms;
        Client client(executor, settings, OutboundPolicy::trusted());
        const auto response = co_await client.request(parse_url(server.url()).value(), {});
        EXPECT_EQ(response.error().code(), CommonError::timeout);
        EXPECT_TRUE(co_await ended.wait(5s));
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, FailsWithTheReasonThatAConnectionCannotBeMade) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        std::uint16_t port = 0;
        {
            asio::ip::tcp::acceptor unused(executor, {asio::ip::address_v4::loopback(), 0});
            port = unused.local_endpoint().port();
        }
        const Url url = parse_url("http://127.0.0.1:" + std::to_string(port)).value();
        Client trusted(executor, {}, OutboundPolicy::trusted());
        EXPECT_EQ((co_await trusted.request(url, {})).error().code(), NetError::connect_failed);
        EXPECT_EQ((co_await trusted.request(parse_url("http://no-such-name.invalid/").value(), {}))
                      .error()
                      .code(),
            NetError::name_not_found);
        Client careful(executor, {}, {});
        EXPECT_EQ((co_await careful.request(url, {})).error().code(), NetError::address_forbidden);
        const Url named = parse_url("http://localhost:" + std::to_string(port)).value();
        EXPECT_EQ(
            (co_await careful.request(named, {})).error().code(), NetError::address_forbidden);
        EXPECT_EQ((co_await careful.request(parse_url("unix:/tmp/x").value(), {})).error().code(),
            NetError::address_forbidden);
        EXPECT_EQ(careful.connections_made(), 0U);
    });
}

TEST(HttpClient, RefusesToSendWhatWouldBreakTheMessage) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Client client(executor, {}, OutboundPolicy::trusted());
        const Url url = parse_url("http://127.0.0.1:1/").value();
        for (ClientRequest request :
            {ClientRequest{.target = "/a b"}, ClientRequest{.target = "/a\r\nX: y"},
                ClientRequest{.method = "G T"}, ClientRequest{.headers = {{"X", "a\r\nY: b"}}},
                ClientRequest{.headers = {{"X:", "a"}}}}) {
            EXPECT_EQ((co_await client.request(url, std::move(request))).error().code(),
                CommonError::invalid_input);
        }
    });
}

TEST(HttpClient, CallsAUnixSocket) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const std::string path = "/tmp/decloud-net-client-" + std::to_string(::getpid());
        TestServer server(executor, echo, {}, {{}, 0, path});
        Client client(executor, {}, OutboundPolicy::trusted());
        ClientRequest request{.method = "POST", .target = "/v1/x", .body = to_bytes("hi")};
        auto response =
            co_await client.request(parse_url("unix:" + path).value(), std::move(request));
        EXPECT_EQ(text_of(co_await response->read_all(100)), "hi");
        EXPECT_EQ(response->head().headers.find("X-Target"), "/v1/x");
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, UpgradesAConnection) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(exchange.request().headers.has_token("Connection", "upgrade"));
            auto stream = co_await exchange.upgrade({101, {}, {{"Upgrade", "echo"}}});
            Bytes buffer(100);
            const auto got = co_await (*stream)->read(buffer);
            EXPECT_TRUE(co_await (*stream)->write(BytesView(buffer).first(got.value())));
        });
        Client client(executor, {}, OutboundPolicy::trusted());
        auto response = co_await client.request(
            parse_url(server.url()).value(), {.headers = {{"Upgrade", "echo"}}});
        EXPECT_EQ(response->status(), 101);
        auto stream = response->upgrade();
        EXPECT_TRUE(stream.has_value());
        EXPECT_TRUE(co_await (*stream)->write(as_bytes("ping")));
        Bytes buffer(100);
        EXPECT_EQ((co_await (*stream)->read(buffer)).value(), 4U);
        EXPECT_EQ((co_await (*stream)->read(buffer)).value(), 0U);
        co_await client.stop();
        co_await server.stop();
    });
}

TEST(HttpClient, AbortReachesTheServerThroughAProxy) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event origin_gone(executor);
        TestServer origin(executor, [&](Exchange exchange) -> async::Task<void> {
            const auto token = exchange.hang_up();
            const auto registration = token.on_cancel([&] { origin_gone.set(); });
            EXPECT_TRUE(co_await exchange.start({}));
            EXPECT_TRUE(co_await exchange.write(as_bytes("first")));
            EXPECT_TRUE(co_await origin_gone.wait(5s));
        });
        Client upstream(executor, {}, OutboundPolicy::trusted());
        TestServer proxy(executor, [&](Exchange exchange) -> async::Task<void> {
            auto response = co_await upstream.request(parse_url(origin.url()).value(), {});
            EXPECT_TRUE(response.has_value());
            const auto token = exchange.hang_up();
            const auto registration = token.on_cancel([&] { response->abort(); });
            EXPECT_TRUE(co_await exchange.start({}));
            Bytes buffer(100);
            for (;;) {
                const auto got = co_await response->read(buffer);
                if (!got || *got == 0) {
                    break;
                }
                (void)co_await exchange.write(BytesView(buffer).first(*got));
            }
        });
        Client client(executor, {}, OutboundPolicy::trusted());
        {
            auto response = co_await client.request(parse_url(proxy.url()).value(), {});
            Bytes buffer(100);
            EXPECT_EQ((co_await response->read(buffer)).value(), 5U);
        }
        EXPECT_TRUE(co_await origin_gone.wait(5s));
        co_await client.stop();
        co_await upstream.stop();
        co_await proxy.stop();
        co_await origin.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
