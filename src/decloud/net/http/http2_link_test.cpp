#include "http2_link.hpp"

#include "../error.hpp"
#include "../internal/http2_client.hpp"
#include "../testing/link.hpp"
#include "../testing/test_loop.hpp"

#include <decloud/async/event.hpp>

#include <gtest/gtest.h>

#include <array>
#include <memory>

namespace decloud::net::http {
namespace {

using namespace std::chrono_literals;
using testing::Link;
using testing::PairStream;
using testing::run_loop;
namespace asio = boost::asio;

TEST(Http2Link, CarriesBodiesAndTrailersBothWays) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, [](Exchange exchange) -> async::Task<void> {
            EXPECT_EQ(exchange.request().target, "/x?y");
            EXPECT_EQ(exchange.request().headers.find("Host"), "a");
            (void)co_await exchange.start({201, {}, {{"X-Answer", "yes"}}});
            Bytes buffer(10'000);
            for (;;) {
                const auto got = co_await exchange.read(buffer);
                if (!got || *got == 0) {
                    break;
                }
                (void)co_await exchange.write(BytesView(buffer).first(*got));
            }
            (void)co_await exchange.finish(exchange.trailers());
        });
        link.answer();
        std::size_t left = 3'000'000;
        ClientRequest request{.method = "POST", .target = "/x?y", .headers = {{"Host", "a"}}};
        request.body = BodySource{
            .read = [&left](std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
                const std::size_t size = std::min(left, buffer.size());
                std::fill_n(buffer.data(), size, std::uint8_t{'z'});
                left -= size;
                co_return size;
            },
            .trailers = [] { return Headers{{"x-checksum", "1234"}}; }};
        auto response = co_await link.requester->request(std::move(request));
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ(response->status(), 201);
        EXPECT_EQ(response->head().headers.find("X-Answer"), "yes");
        const auto body = co_await response->read_all(4'000'000);
        EXPECT_TRUE(body.has_value() && *body == Bytes(3'000'000, 'z'));
        EXPECT_EQ(response->trailers().find("x-checksum"), "1234");
        co_await link.stop();
    });
}

TEST(Http2Link, CarriesASmallBodyWithoutLength) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, [](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({}, (co_await exchange.read_all(100)).value());
        });
        link.answer();
        std::size_t left = 3;
        ClientRequest request{.method = "POST", .target = "/", .headers = {{"Host", "a"}}};
        request.body = BodySource{
            .read = [&left](std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
                buffer.front() = 'z';
                co_return left == 0 ? 0 : left-- > 0;
            }};
        auto response = co_await link.requester->request(std::move(request));
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ((co_await response->read_all(100)).value(), Bytes(3, 'z'));
        co_await link.stop();
    });
}

TEST(Http2Link, IsGoneWithAllThatItHeldWhenItHasEnded) {
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = held;
    run_loop([&held](async::Executor executor) -> async::Task<void> {
        async::Event gone(executor);
        async::Event asked(executor);
        Link link(executor,
            [held = std::move(held), &gone, &asked](Exchange exchange) -> async::Task<void> {
                const auto hang_up = exchange.hang_up().on_cancel([&] { gone.set(); });
                asked.set();
                (void)co_await gone.wait(30s);
            });
        link.answer();
        async::TaskGroup asking(executor);
        asking.spawn([](Http2Requester* requester) -> async::Task<void> {
            const auto answer = co_await requester->request(
                {.method = "GET", .target = "/", .headers = {{"Host", "a"}}});
            EXPECT_FALSE(answer.has_value());
        }(link.requester.get()));
        EXPECT_TRUE(co_await asked.wait(30s));
        co_await link.stop();
        co_await asking.join();
    });
    EXPECT_TRUE(watched.expired());
}

TEST(Http2Link, ManyThatAreHeldUpDoNotHoldUpOthers) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        constexpr int kHeld = 300;
        async::Event all_held(executor);
        async::Event release(executor);
        int held = 0;
        Link link(executor, [&](Exchange exchange) -> async::Task<void> {
            if (exchange.request().target == "/held") {
                // Nothing of the body is read.
                if (++held == kHeld) {
                    all_held.set();
                }
                (void)co_await release.wait(30s);
            }
            (void)co_await exchange.send(
                {}, std::to_string((co_await exchange.read_all(200'000)).value().size()));
        });
        link.answer();
        async::TaskGroup asking(executor);
        const auto post = [&](std::string target, std::size_t size) -> async::Task<void> {
            ClientRequest request{.method = "POST",
                .target = target,
                .headers = {{"Host", "a"}},
                .body = Bytes(size)};
            auto answer = co_await link.requester->request(std::move(request));
            EXPECT_TRUE(answer.has_value());
            const auto text = answer ? co_await answer->read_all(100) : Result<Bytes>(Bytes{});
            EXPECT_EQ(as_text(*text), std::to_string(size));
        };
        for (int index = 0; index < kHeld; ++index) {
            asking.spawn(post("/held", 100'000));
        }
        EXPECT_TRUE(co_await all_held.wait(30s));
        co_await post("/", 100'000);
        release.set();
        co_await asking.join();
        co_await link.stop();
    });
}

TEST(Http2Link, OutlivesManyRequestsThatNobodyWaitsFor) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, [](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.start({});
            while (co_await exchange.write(Bytes(1000))) {
            }
        });
        link.answer();
        for (int index = 0; index < 700; ++index) {
            const auto answer =
                co_await link.requester->request({.target = "/", .headers = {{"Host", "a"}}});
            EXPECT_TRUE(answer.has_value()) << index;
            if (!answer) {
                break;
            }
        }
        EXPECT_FALSE(link.requester->ended());
        co_await link.stop();
    });
}

/// A body of two bytes; each, and the end, comes when it is let.
BodySource let_out(std::array<async::Event*, 3> when) {
    return {
        .read = [when, at = std::size_t{0}](
                    std::span<std::uint8_t> buffer) mutable -> async::Task<Result<std::size_t>> {
            EXPECT_TRUE(co_await when.at(at)->wait(30s));
            buffer.front() = 'z';
            co_return at++ < 2 ? 1 : 0;
        }};
}

TEST(Http2Link, AnAnswerMayTakeItsTimeFromTheEndOfTheUpload) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        asio::local::stream_protocol::socket here(executor);
        asio::local::stream_protocol::socket there(executor);
        asio::local::connect_pair(here, there);
        std::array<async::Event, 2> arrived{async::Event(executor), async::Event(executor)};
        Http2Responder responder(
            executor, std::make_unique<PairStream>(std::move(there)), PeerAddress{},
            ServerSettings{},
            [&arrived](Exchange exchange) -> async::Task<void> {
                Bytes buffer(1);
                for (async::Event& one : arrived) {
                    EXPECT_EQ((co_await exchange.read(buffer)).value_or(0), 1U);
                    one.set();
                }
                (void)co_await exchange.send({}, co_await exchange.read(buffer) ? "all" : "");
            },
            Liveness{});
        ClientSettings settings;
        settings.head_timeout = 1h;
        settings.idle_timeout = 10h;
        const auto client = std::make_shared<internal::Http2Client>(executor,
            std::make_unique<PairStream>(std::move(here)), settings, Http2Settings{}, "http");
        async::Event first(executor);
        async::Event second(executor);
        async::Event end(executor);
        async::Event answered(executor);
        async::TaskGroup tasks(executor);
        tasks.spawn(responder.run());
        tasks.spawn(client->run({}));
        auto request = std::make_shared<ClientRequest>(ClientRequest{.method = "POST",
            .target = "/",
            .headers = {{"Host", "a"}},
            .body = let_out({&first, &second, &end})});
        tasks.spawn([](auto requester, auto what, async::Event* done) -> async::Task<void> {
            EXPECT_TRUE((co_await requester->request(what)).has_value());
            done->set();
        }(client, std::move(request), &answered));
        first.set();
        EXPECT_TRUE(co_await arrived[0].wait(30s));
        // Time goes by until the second byte.
        const auto before = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() == before) {
        }
        second.set();
        EXPECT_TRUE(co_await arrived[1].wait(30s));
        client->tick(before + 1h);
        end.set();
        EXPECT_TRUE(co_await answered.wait(30s));
        client->close();
        responder.close();
        co_await tasks.join();
    });
}

TEST(Http2Link, TellsTheHandlerThatNobodyWaitsAnyMore) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event gone(executor);
        Link link(executor, [&](Exchange exchange) -> async::Task<void> {
            const auto hang_up = exchange.hang_up().on_cancel([&] { gone.set(); });
            (void)co_await exchange.start({});
            (void)co_await gone.wait(30s);
        });
        link.answer();
        {
            auto response =
                co_await link.requester->request({.target = "/", .headers = {{"Host", "a"}}});
            EXPECT_TRUE(response.has_value());
        }
        EXPECT_TRUE(co_await gone.wait(30s));
        co_await link.stop();
    });
}

TEST(Http2Link, BreaksWhatIsUnderWayWhenItEnds) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, [](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.start({});
            exchange.abort();
        });
        link.answer();
        auto response =
            co_await link.requester->request({.target = "/", .headers = {{"Host", "a"}}});
        if (response) {
            EXPECT_FALSE((co_await response->read_all(10)).has_value()) << "an end, not a break";
        }
        link.responder->close();
        const auto after =
            co_await link.requester->request({.target = "/", .headers = {{"Host", "a"}}});
        EXPECT_FALSE(after.has_value());
        co_await link.stop();
    });
}

TEST(Http2Link, TakesASilentPeerForDead) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, [](Exchange) -> async::Task<void> { co_return; },
            {.ping_after = 10ms, .dead_after = 30ms});
        // The responder never runs.
        const auto answer =
            co_await link.requester->request({.target = "/", .headers = {{"Host", "a"}}});
        EXPECT_FALSE(answer.has_value());
        EXPECT_TRUE(link.requester->ended());
        co_await link.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
