#include "../testing/link.hpp"
#include "../testing/test_loop.hpp"
#include "../websocket/handshake.hpp"
#include "http2_link.hpp"

#include <decloud/async/event.hpp>

#include <gtest/gtest.h>

#include <string>

namespace decloud::net::http {
namespace {

using namespace std::chrono_literals;
using testing::Link;
using testing::run_loop;

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

ClientRequest websocket_request() {
    return {.target = "/chat?x",
        .headers = {{"Host", "a"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"},
            {"Sec-WebSocket-Key", kKey}, {"Sec-WebSocket-Protocol", "chat"}}};
}

ResponseHead accepting(const Exchange& exchange) {
    const std::string key(exchange.request().headers.find("Sec-WebSocket-Key").value_or(""));
    return {101, {},
        {{"Sec-WebSocket-Accept", websocket::accept_value(key)},
            {"Sec-WebSocket-Protocol", "chat"}}};
}

/// Plain requests get an empty answer.
Handler for_websockets(Handler handler) {
    return [handler = std::move(handler)](Exchange exchange) -> async::Task<void> {
        if (websocket::asks_for_websocket(exchange.request())) {
            co_await handler(std::move(exchange));
        } else {
            (void)co_await exchange.send({}, std::string());
        }
    };
}

/// Afterwards the requester knows what the responder takes.
async::Task<void> hear_settings(Link* link) {
    EXPECT_TRUE((co_await link->requester->request({.target = "/", .headers = {{"Host", "a"}}}))
            .has_value());
}

/// Says back what it hears, until that ends.
async::Task<void> echo(std::unique_ptr<Stream> stream) {
    Bytes buffer(1000);
    for (;;) {
        const auto got = co_await stream->read(buffer);
        if (!got || *got == 0 || !co_await stream->write(BytesView(buffer).first(*got))) {
            break;
        }
    }
    stream->shutdown_write();
}

async::Task<std::string> read_until_end(Stream* stream) {
    std::string all;
    Bytes buffer(1000);
    for (;;) {
        const auto got = co_await stream->read(buffer);
        if (!got || *got == 0) {
            EXPECT_TRUE(got.has_value()) << "a break, not an end";
            co_return all;
        }
        all += as_text(BytesView(buffer).first(*got));
    }
}

TEST(Http2WebSocket, LooksToBothEndsAsInHttp1AndCarriesBytesBothWays) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::TaskGroup echoes(executor);
        Link link(executor, for_websockets([&echoes](Exchange exchange) -> async::Task<void> {
            EXPECT_EQ(exchange.request().method, "GET");
            EXPECT_EQ(exchange.request().target, "/chat?x");
            EXPECT_TRUE(websocket::asks_for_websocket(exchange.request()));
            EXPECT_NE(exchange.request().headers.find("Sec-WebSocket-Key"), kKey) << "of its own";
            EXPECT_EQ(exchange.content_length(), 0U);
            auto stream = co_await exchange.upgrade(accepting(exchange));
            EXPECT_TRUE(stream.has_value());
            // The handler may return.
            echoes.spawn(echo(std::move(*stream)));
        }));
        link.answer();
        co_await hear_settings(&link);
        auto response = co_await link.requester->request(websocket_request());
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ(response->status(), 101);
        EXPECT_EQ(
            response->head().headers.find("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        EXPECT_EQ(response->head().headers.find("Sec-WebSocket-Protocol"), "chat");
        auto stream = response->upgrade();
        EXPECT_TRUE(stream.has_value());
        const std::string text(200'000, 'x');
        async::TaskGroup writing(executor);
        writing.spawn([](Stream* to, std::string what) -> async::Task<void> {
            EXPECT_TRUE((co_await to->write(as_bytes(what))).has_value());
            to->shutdown_write();
        }(stream->get(), text));
        EXPECT_EQ(co_await read_until_end(stream->get()), text);
        co_await writing.join();
        stream->reset();
        co_await link.stop();
        co_await echoes.join();
    });
}

TEST(Http2WebSocket, ARefusalIsAnOrdinaryAnswer) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, for_websockets([](Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE((co_await exchange.read_all(10)).value().empty());
            (void)co_await exchange.send({403, {}, {}}, std::string("no"));
        }));
        link.answer();
        co_await hear_settings(&link);
        auto response = co_await link.requester->request(websocket_request());
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ(response->status(), 403);
        EXPECT_EQ((co_await response->read_all(10)).value(), to_bytes("no"));
        EXPECT_FALSE(response->upgrade().has_value());
        co_await link.stop();
    });
}

TEST(Http2WebSocket, AnAnswerToSomethingElseIsNotTakenForOne) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, for_websockets([](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({200, {}, {}}, std::string("a page"));
        }));
        link.answer();
        co_await hear_settings(&link);
        auto response = co_await link.requester->request(websocket_request());
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ(response->status(), 501);
        co_await link.stop();
    });
}

TEST(Http2WebSocket, IsNotAcceptedForSomebodyWhoHasNotUnderstood) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, for_websockets([](Exchange exchange) -> async::Task<void> {
            const auto wrong = co_await exchange.upgrade(
                {101, {}, {{"Sec-WebSocket-Accept", websocket::accept_value("another")}}});
            EXPECT_FALSE(wrong.has_value());
            EXPECT_FALSE(exchange.answered());
            (void)co_await exchange.send({502, {}, {}}, std::string());
        }));
        link.answer();
        co_await hear_settings(&link);
        auto response = co_await link.requester->request(websocket_request());
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ(response->status(), 502);
        co_await link.stop();
    });
}

TEST(Http2WebSocket, TheOtherEndHearsOfWhoLeaves) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event left(executor);
        Link link(executor, for_websockets([&left](Exchange exchange) -> async::Task<void> {
            auto stream = co_await exchange.upgrade(accepting(exchange));
            Bytes buffer(10);
            const auto got = co_await (*stream)->read(buffer);
            EXPECT_FALSE(got.has_value());
            left.set();
        }));
        link.answer();
        co_await hear_settings(&link);
        {
            auto response = co_await link.requester->request(websocket_request());
            EXPECT_TRUE(response.has_value());
            const auto stream = response->upgrade();
        }
        EXPECT_TRUE(co_await left.wait(30s));
        co_await link.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
