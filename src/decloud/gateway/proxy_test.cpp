#include "proxy.hpp"

#include "gateway_test_support.hpp"

#include <decloud/net/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

namespace decloud::gateway {
namespace {

using namespace testing_support;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::size_t kLarge = std::size_t{5} * 1024 * 1024;

Bytes pattern(std::size_t size) {
    Bytes out(size);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<std::uint8_t>((i * 31U + i / 251U) & 0xffU);
    }
    return out;
}

/// Gives back each part of the body as it comes, then the trailers.
async::Task<void> echo_body(net::http::Exchange exchange) {
    net::http::ResponseHead head;
    if (const auto length = exchange.content_length()) {
        head.headers.add("Content-Length", std::to_string(*length));
    }
    EXPECT_TRUE(co_await exchange.start(std::move(head)));
    Bytes buffer(32 * 1024);
    for (;;) {
        const auto got = co_await exchange.read(buffer);
        if (!got || *got == 0) {
            break;
        }
        if (!co_await exchange.write(BytesView(buffer).first(*got))) {
            co_return;
        }
    }
    (void)co_await exchange.finish(exchange.trailers());
}

TEST(Proxy, SendsTheTargetOnByteForByte) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        const std::string own = co_await talk(executor, bench.gateway.port(),
            "GET /%7e//a?b=%20&c HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n");
        EXPECT_THAT(own, HasSubstr("\r\n\r\nGET /%7e//a?b=%20&c\n"));
        EXPECT_THAT(own, HasSubstr("\nHost: alice.localhost\n"));
        const std::string shared = co_await talk(executor, bench.gateway.port(),
            "GET /p/alice/%2F/../x?? HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n");
        EXPECT_THAT(shared, HasSubstr("\r\n\r\nGET /p/alice/%2F/../x??\n"));
        EXPECT_THAT(shared, HasSubstr("\nHost: 127.0.0.1:1\n"));
        co_await bench.stop();
    });
}

TEST(Proxy, RemovesHopByHopHeadersAndWhatConnectionNames) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "GET / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close, X-Secret\r\n"
            "X-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\n"
            "Proxy-Connection: close\r\nUpgrade: h2c\r\nX-Kept: 2\r\n"
            "OpenCloud-Payment: attached\r\nSignature: s=:AA==:\r\n\r\n");
        for (const std::string gone : {"X-Secret", "Keep-Alive", "\nTE:", "Proxy-", "Upgrade"}) {
            EXPECT_THAT(answer, Not(HasSubstr(gone)));
        }
        EXPECT_THAT(answer, HasSubstr("\nX-Kept: 2\n"));
        EXPECT_THAT(answer, HasSubstr("\nOpenCloud-Payment: attached\n"));
        EXPECT_THAT(answer, HasSubstr("\nSignature: s=:AA==:\n"));
        co_await bench.stop();
    });
}

TEST(Proxy, RemovesHopByHopHeadersFromAnswers) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        RawClient provider(executor);
        Bench bench(executor, echo_head);
        boost::asio::ip::tcp::acceptor acceptor(
            executor, {boost::asio::ip::address_v4::loopback(), 0});
        bench.source.urls["alice.decloud"] =
            "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send("GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n");
        co_await acceptor.async_accept(provider.socket, boost::asio::use_awaitable);
        EXPECT_THAT(co_await provider.read_until("\r\n\r\n"), StartsWith("GET / HTTP/1.1\r\n"));
        co_await provider.send(
            "HTTP/1.1 200 Fine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nAlt-Svc: x\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nKeep-Alive: 3\r\nContent-Length: 2\r\n\r\nok");
        const std::string answer = co_await client.read_until("ok");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 Fine\r\n"));
        EXPECT_THAT(answer, AllOf(Not(HasSubstr("X-Hop")), Not(HasSubstr("Keep-Alive")),
                                Not(HasSubstr("Alt-Svc"))));
        EXPECT_THAT(answer, HasSubstr("X-End: 2\r\n"));
        EXPECT_THAT(answer, HasSubstr("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
        co_await bench.stop();
    });
}

TEST(Proxy, ReplacesWhatOthersSayAboutTheClient) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "GET / HTTP/1.1\r\nHost: alice.localhost:80\r\nForwarded: for=9.9.9.9\r\n"
            "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Prefix: /x\r\n"
            "X-Real-IP: 9.9.9.9\r\nVia: 1.0 fred, 1.1 p.example\r\nConnection: close\r\n\r\n");
        EXPECT_THAT(answer,
            AllOf(Not(HasSubstr("9.9.9.9")), Not(HasSubstr("evil")), Not(HasSubstr("Prefix"))));
        EXPECT_THAT(answer,
            HasSubstr("\nForwarded: for=127.0.0.1;proto=http;host=\"alice.localhost:80\"\n"));
        EXPECT_THAT(answer, HasSubstr("\nX-Forwarded-For: 127.0.0.1\n"));
        EXPECT_THAT(answer, HasSubstr("\nVia: 1.0 fred, 1.1 p.example\n"));
        EXPECT_THAT(answer, HasSubstr("\nVia: 1.1 " + bench.proxy.pseudonym() + "\n"));
        co_await bench.stop();
    });
}

TEST(Proxy, CarriesLargeBodiesBothWays) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_body);
        auto answer =
            co_await bench.ask({.method = "POST", .target = "/", .body = pattern(kLarge)});
        EXPECT_TRUE(answer) << answer.error().message();
        EXPECT_EQ(answer->content_length(), kLarge);
        const auto body = co_await answer->read_all(kLarge);
        EXPECT_TRUE(body) << body.error().message();
        EXPECT_TRUE(body == pattern(kLarge));
        co_await bench.stop();
    });
}

TEST(Proxy, CarriesChunkedBodiesAndTrailersBothWays) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_body);
        const Bytes content = pattern(kLarge);
        std::size_t sent = 0;
        net::http::BodySource source;
        source.read = [&](std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
            const std::size_t size = std::min(buffer.size(), content.size() - sent);
            std::memcpy(buffer.data(), content.data() + sent, size);
            sent += size;
            co_return size;
        };
        source.trailers = [] {
            return net::http::Headers{{"Content-Digest", "sha-256=:AA==:"}, {"Via", "1.1 forged"}};
        };
        auto answer =
            co_await bench.ask({.method = "POST", .target = "/", .body = std::move(source)});
        EXPECT_TRUE(answer) << answer.error().message();
        EXPECT_FALSE(answer->content_length());
        const auto body = co_await answer->read_all(kLarge);
        EXPECT_TRUE(body && *body == content);
        EXPECT_EQ(answer->trailers().find("Content-Digest"), "sha-256=:AA==:");
        EXPECT_FALSE(answer->trailers().contains("Via"));
        co_await bench.stop();
    });
}

TEST(Proxy, PassesEachPartOnAsItComes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_body);
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send(
            "POST / HTTP/1.1\r\nHost: alice.localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        EXPECT_THAT(co_await client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
        for (const std::string part : {"first", "later", "third"}) {
            co_await client.send("5\r\n" + part + "\r\n");
            EXPECT_EQ(co_await client.read_until("\r\n" + part + "\r\n"), "5\r\n" + part + "\r\n");
        }
        co_await client.send("0\r\n\r\n");
        EXPECT_EQ(co_await client.read_until("0\r\n\r\n"), "0\r\n\r\n");
        co_await bench.stop();
    });
}

TEST(Proxy, HoldsTheProviderBackWhileTheClientDoesNotRead) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        std::uint64_t written = 0;
        async::Event stuck(executor);
        Bench bench(executor, [&](net::http::Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(co_await exchange.start({}));
            const Bytes part(64 * 1024, 'x');
            // A write that does not end at once waits for the client.
            boost::asio::steady_timer watch(executor);
            while (written < std::uint64_t{256} * 1024 * 1024) {
                watch.expires_after(std::chrono::milliseconds(500));
                watch.async_wait([&](boost::system::error_code error) {
                    if (!error) {
                        stuck.set();
                    }
                });
                if (!co_await exchange.write(part)) {
                    co_return;
                }
                written += part.size();
            }
        });
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send("GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n");
        EXPECT_TRUE(co_await stuck.wait(std::chrono::seconds(30)));
        EXPECT_LT(written, std::uint64_t{64} * 1024 * 1024);
        client.close();
        co_await bench.stop();
    });
}

TEST(Proxy, AsksForTheBodyWhenTheProviderDoes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event admitted(executor);
        async::Event arrived(executor);
        Bench bench(executor, [&](net::http::Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(exchange.expects_continue());
            arrived.set();
            EXPECT_TRUE(co_await admitted.wait(std::chrono::seconds(20)));
            auto body = co_await exchange.read_all(100);
            (void)co_await exchange.send({}, std::move(body.value()));
        });
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send(
            "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 5\r\n"
            "Expect: 100-continue\r\n\r\n");
        EXPECT_TRUE(co_await arrived.wait(std::chrono::seconds(20)));
        EXPECT_EQ(client.socket.available(), 0);
        admitted.set();
        EXPECT_EQ(co_await client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        co_await client.send("hello");
        EXPECT_THAT(co_await client.read_until("hello"), StartsWith("HTTP/1.1 200 OK\r\n"));
        co_await bench.stop();
    });
}

TEST(Proxy, DoesNotAskForABodyThatTheProviderRefuses) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({402, {}, {}}, std::string("pay\n"));
        });
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 5000000\r\n"
            "Expect: 100-continue\r\n\r\n");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 402 Payment Required\r\n"));
        EXPECT_THAT(answer, EndsWith("pay\n"));
        EXPECT_THAT(answer, Not(HasSubstr("100 Continue")));
        co_await bench.stop();
    });
}

TEST(Proxy, AnswersHeadWithoutABody) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            EXPECT_EQ(exchange.request().method, "HEAD");
            (void)co_await exchange.send({}, std::string(1234, 'x'));
        });
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "HEAD / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n");
        EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 1234\r\n"));
        EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
        co_await bench.stop();
    });
}

TEST(Proxy, PassesAnswersWithoutABody) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            const int status = exchange.request().target == "/304" ? 304 : 204;
            (void)co_await exchange.send({status, {}, {{"ETag", "\"1\""}}}, std::string());
        });
        for (const std::string status : {"204", "304"}) {
            const std::string answer = co_await talk(executor, bench.gateway.port(),
                "GET /" + status +
                    " HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n");
            EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + status));
            EXPECT_THAT(answer, AllOf(HasSubstr("ETag"), Not(HasSubstr("chunked"))));
            EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
        }
        co_await bench.stop();
    });
}

TEST(Proxy, ServesPipelinedRequestsInOrder) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            const auto body = co_await exchange.read_all(100);
            std::string text = exchange.request().target + "=" + std::string(as_text(body.value()));
            (void)co_await exchange.send({}, std::move(text));
        });
        const std::string answer = co_await talk(executor, bench.gateway.port(),
            "POST /1 HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 3\r\n\r\none"
            "GET /2 HTTP/1.1\r\nHost: alice.localhost\r\n\r\n"
            "POST /3 HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n");
        const std::size_t first = answer.find("/1=one");
        const std::size_t second = answer.find("/2=");
        EXPECT_LT(first, second);
        EXPECT_LT(second, answer.find("/3="));
        EXPECT_NE(answer.find("/3="), std::string::npos);
        co_await bench.stop();
    });
}

TEST(Proxy, ReusesConnectionsToTheProvider) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({}, std::to_string(exchange.peer().port));
        });
        std::string port;
        for (int i = 0; i < 5; ++i) {
            auto answer = co_await bench.ask({.target = "/"});
            const auto body = co_await answer->read_all(100);
            if (i > 0) {
                EXPECT_EQ(as_text(*body), port);
            }
            port = std::string(as_text(*body));
        }
        co_await bench.stop();
    });
}

TEST(Proxy, ConfinesAnswersOnTheSharedOrigin) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send(
                {200, {}, {{"Set-Cookie", "a=b; Path=/"}}}, std::string("<script>"));
        });
        auto shared =
            co_await bench.ask({.target = "/p/alice/x", .headers = {{"Host", "localhost"}}});
        EXPECT_EQ(shared->head().headers.find("Set-Cookie"), "a=b; Path=/p/alice/");
        EXPECT_EQ(shared->head().headers.find("Content-Security-Policy"),
            "sandbox allow-scripts allow-forms");
        auto own = co_await bench.ask({.target = "/x"});
        EXPECT_EQ(own->head().headers.find("Set-Cookie"), "a=b; Path=/");
        EXPECT_FALSE(own->head().headers.contains("Content-Security-Policy"));
        co_await bench.stop();
    });
}

TEST(Proxy, CarriesAWebSocketsBytes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, [](net::http::Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(exchange.request().headers.has_token("Connection", "upgrade"));
            EXPECT_EQ(exchange.request().headers.find("Upgrade"), "websocket");
            EXPECT_EQ(exchange.request().headers.find("Sec-WebSocket-Key"), "k");
            auto stream = co_await exchange.upgrade(
                {101, {}, {{"Upgrade", "websocket"}, {"Sec-WebSocket-Accept", "a"}}});
            Bytes buffer(1024);
            for (;;) {
                const auto got = co_await (*stream)->read(buffer);
                if (!got || *got == 0) {
                    co_return;
                }
                EXPECT_TRUE(co_await (*stream)->write(BytesView(buffer).first(*got)));
            }
        });
        RawClient client(executor);
        co_await client.connect(bench.gateway.port());
        co_await client.send(
            "GET /ws HTTP/1.1\r\nHost: alice.localhost\r\nConnection: keep-alive, Upgrade\r\n"
            "Upgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\nearly");
        const std::string head = co_await client.read_until("\r\n\r\n");
        EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
        EXPECT_THAT(head, AllOf(HasSubstr("Connection: Upgrade\r\n"),
                              HasSubstr("Upgrade: websocket\r\n"), HasSubstr("Accept: a\r\n")));
        EXPECT_EQ(co_await client.read_until("early"), "early");
        const std::string frame("\x81\x00\xff\r\n\r\n!", 8);
        co_await client.send(frame);
        EXPECT_EQ(co_await client.read_until("!"), frame);
        EXPECT_EQ(bench.proxy.active(), 1);
        client.socket.shutdown(boost::asio::ip::tcp::socket::shutdown_send);
        EXPECT_EQ(co_await client.read_to_end(), "");
        co_await bench.stop();
        EXPECT_EQ(bench.proxy.active(), 0);
    });
}

}  // namespace
}  // namespace decloud::gateway
