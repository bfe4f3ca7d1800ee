#include "../error.hpp"
#include "../testing/test_loop.hpp"
#include "server.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace decloud::net::http {
namespace {

using testing::RawClient;
using testing::run_loop;
using testing::talk;
using testing::TestServer;
using namespace std::chrono_literals;

constexpr std::string_view kConnect = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n";

ServerSettings takes_connect() {
    ServerSettings settings;
    settings.connect = ConnectRequests::parsed;
    return settings;
}

/// Opens tunnels to "a:80" only; says of other requests how they came.
async::Task<void> serve(Exchange exchange) {
    const RequestHead& head = exchange.request();
    if (head.method != "CONNECT") {
        const std::string how = exchange.through_connect() ? " through a tunnel" : " directly";
        (void)co_await exchange.send({}, head.target + how);
    } else if (head.target != "a:80") {
        (void)co_await exchange.send({403, {}, {}}, std::string("elsewhere"));
    } else if (const auto opened = co_await exchange.accept_connect(); !opened) {
        EXPECT_EQ(opened.error().code(), NetError::malformed_message);
        (void)co_await exchange.send({400, {}, {}}, std::string("too early"));
    }
}

std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: b\r\n\r\n";
}

TEST(HttpConnect, WhatComesThroughATunnelAreRequestsToTheServer) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, serve, takes_connect());
        RawClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(get("/before"));
        EXPECT_NE((co_await client.read_until("directly")).find("/before"), std::string::npos);
        co_await client.send(std::string(kConnect));
        const std::string opened = co_await client.read_until("\r\n\r\n");
        EXPECT_TRUE(opened.starts_with("HTTP/1.1 200 ")) << opened;
        EXPECT_EQ(opened.find("Content-Length"), std::string::npos);
        EXPECT_EQ(opened.find("Transfer-Encoding"), std::string::npos);
        co_await client.send(get("/1") + get("/2"));
        EXPECT_NE((co_await client.read_until("tunnel")).find("/1 "), std::string::npos);
        EXPECT_NE((co_await client.read_until("tunnel")).find("/2 "), std::string::npos);
        co_await client.send(std::string(kConnect));
        const std::string nested = co_await client.read_to_end();
        EXPECT_TRUE(nested.starts_with("HTTP/1.1 501 ")) << nested;
        co_await server.stop();
    });
}

TEST(HttpConnect, WhatFollowsARefusedOneIsNotRead) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, serve, takes_connect());
        const std::string refused = co_await talk(executor, server.port(),
            "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n" + get("/smuggled"));
        EXPECT_TRUE(refused.starts_with("HTTP/1.1 403 ")) << refused;
        EXPECT_EQ(refused.find("/smuggled"), std::string::npos) << refused;
        const std::string early =
            co_await talk(executor, server.port(), std::string(kConnect) + get("/smuggled"));
        EXPECT_TRUE(early.starts_with("HTTP/1.1 400 ")) << early;
        EXPECT_EQ(early.find("/smuggled"), std::string::npos) << early;
        co_await server.stop();
    });
}

TEST(HttpConnect, IsOneTargetWithAPortAndNothingElse) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, serve, takes_connect());
        for (const char* const wrong : {
                 "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc",
                 "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 0\r\n\r\n",
                 "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\n",
                 "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nExpect: 100-continue\r\n\r\n",
                 "CONNECT a:80 HTTP/1.1\r\nHost: b:80\r\n\r\n",
                 "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
                 "CONNECT a:80 HTTP/1.1\r\n\r\n",
                 "CONNECT a:80 HTTP/1.0\r\nHost: a:80\r\n\r\n",
                 "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
                 "CONNECT a: HTTP/1.1\r\nHost: a:\r\n\r\n",
                 "CONNECT :80 HTTP/1.1\r\nHost: :80\r\n\r\n",
                 "CONNECT a:99999 HTTP/1.1\r\nHost: a:99999\r\n\r\n",
                 "CONNECT [::1] HTTP/1.1\r\nHost: [::1]\r\n\r\n",
                 "CONNECT u@a:80 HTTP/1.1\r\nHost: u@a:80\r\n\r\n",
                 "CONNECT /a:80 HTTP/1.1\r\nHost: /a:80\r\n\r\n",
                 "CONNECT http://a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
                 "CONNECT * HTTP/1.1\r\nHost: a:80\r\n\r\n",
             }) {
            const std::string answer = co_await talk(executor, server.port(), wrong);
            EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << wrong << answer;
        }
        co_await server.stop();
    });
}

TEST(HttpConnect, ATunnelHasTheTimesAndLimitsOfItsConnection) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings = takes_connect();
        settings.idle_timeout = 100ms;
        settings.header_timeout = 100ms;
        settings.limits.max_target_bytes = 100;
        TestServer server(executor, serve, settings);
        const auto answer_to = [&](std::string inside) -> async::Task<std::string> {
            RawClient client(executor);
            co_await client.connect(server.port());
            co_await client.send(std::string(kConnect));
            (void)co_await client.read_until("\r\n\r\n");
            co_await client.send(std::move(inside));
            co_return co_await client.read_to_end();
        };
        EXPECT_EQ(co_await answer_to(""), "");
        EXPECT_TRUE((co_await answer_to("GET / HT")).starts_with("HTTP/1.1 408 "));
        EXPECT_TRUE(
            (co_await answer_to(get("/" + std::string(100, 'x')))).starts_with("HTTP/1.1 414 "));
        EXPECT_TRUE((co_await answer_to("\x16\x03\x01\x02\r\n")).starts_with("HTTP/1.1 400 "));
        EXPECT_TRUE((co_await answer_to("PRI * HTTP/2.0\r\n\r\n")).starts_with("HTTP/1.1 505 "));
        co_await server.stop();
    });
}

TEST(HttpConnect, IsRefusedWhereNobodyAskedForIt) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, serve);
        const std::string answer =
            co_await talk(executor, server.port(), std::string(kConnect) + get("/smuggled"));
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 501 ")) << answer;
        EXPECT_EQ(answer.find("/smuggled"), std::string::npos) << answer;
        co_await server.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
