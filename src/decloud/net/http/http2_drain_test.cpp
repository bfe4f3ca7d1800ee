#include "../error.hpp"
#include "../testing/link.hpp"
#include "../testing/test_loop.hpp"

#include <decloud/async/event.hpp>

#include <gtest/gtest.h>

namespace decloud::net::http {
namespace {

using namespace std::chrono_literals;
using testing::Link;
using testing::run_loop;

ClientRequest get(std::string target) {
    return {.target = std::move(target), .headers = {{"Host", "a"}}};
}

/// Until nothing new is taken; each turn of the loop lets the other end speak.
async::Task<void> wait_for_drain(Http2Requester* requester) {
    while (!requester->ended()) {
        co_await async::delay(1ms);
    }
}

TEST(Http2Drain, WhatWasSentBeforeItWasHeardIsServed) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event held(executor);
        async::Event release(executor);
        Link link(executor, [&](Exchange exchange) -> async::Task<void> {
            if (exchange.request().target == "/held") {
                held.set();
                EXPECT_TRUE(co_await release.wait(30s));
            }
            (void)co_await exchange.send({}, std::string("done"));
        });
        link.answer();
        async::TaskGroup asking(executor);
        const auto ask = [&](std::string target) -> async::Task<void> {
            auto answer = co_await link.requester->request(get(target));
            EXPECT_TRUE(answer.has_value()) << target;
            if (answer) {
                EXPECT_EQ(as_text((co_await answer->read_all(10)).value()), "done") << target;
            }
        };
        asking.spawn(ask("/held"));
        EXPECT_TRUE(co_await held.wait(30s));
        link.responder->drain();
        // The notice is still to be sent.
        co_await ask("/late");
        co_await wait_for_drain(link.requester.get());
        const auto refused = co_await link.requester->request(get("/too-late"));
        EXPECT_FALSE(refused.has_value());
        if (!refused) {
            EXPECT_EQ(refused.error(), make_error_code(NetError::connect_failed));
        }
        EXPECT_EQ(link.responder->active(), 1U) << "what runs goes on";
        release.set();
        co_await asking.join();
        co_await link.stop();
    });
}

TEST(Http2Drain, OfTheClientTellsTheServerAndFinishes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event held(executor);
        async::Event release(executor);
        Link link(executor, [&](Exchange exchange) -> async::Task<void> {
            held.set();
            EXPECT_TRUE(co_await release.wait(30s));
            (void)co_await exchange.send({}, std::string("done"));
        });
        async::TaskGroup serving(executor);
        async::Event ended(executor);
        serving.spawn([](Http2Responder* responder, async::Event* end) -> async::Task<void> {
            co_await responder->run();
            end->set();
        }(link.responder.get(), &ended));
        async::TaskGroup asking(executor);
        asking.spawn([](Http2Requester* requester) -> async::Task<void> {
            auto answer = co_await requester->request(get("/"));
            EXPECT_TRUE(answer.has_value());
            EXPECT_EQ(as_text((co_await answer->read_all(10)).value()), "done");
        }(link.requester.get()));
        EXPECT_TRUE(co_await held.wait(30s));
        link.requester->drain();
        EXPECT_FALSE(ended.is_set());
        release.set();
        co_await asking.join();
        EXPECT_TRUE(co_await ended.wait(30s)) << "the server's side ends by itself";
        co_await serving.join();
        co_await link.stop();
    });
}

TEST(Http2Drain, OfAnIdleLinkEndsBothSides) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Link link(executor, [](Exchange) -> async::Task<void> { co_return; });
        link.answer();
        link.responder->drain();
        co_await wait_for_drain(link.requester.get());
        co_await link.stop();
    });
}

TEST(Http2Drain, OfALinkIsNotForWantOfRequests) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        boost::asio::local::stream_protocol::socket here(executor);
        boost::asio::local::stream_protocol::socket there(executor);
        boost::asio::local::connect_pair(here, there);
        ServerSettings settings;
        settings.idle_timeout = 1ms;
        Http2Responder responder(
            executor, std::make_unique<testing::PairStream>(std::move(there)), PeerAddress{},
            settings,
            [](Exchange exchange) -> async::Task<void> { (void)co_await exchange.send({}, "ok"); },
            Liveness{});
        Http2Requester requester(executor, std::make_unique<testing::PairStream>(std::move(here)),
            ClientSettings{}, shared_link_settings(), Liveness{});
        async::TaskGroup tasks(executor);
        tasks.spawn(responder.run());
        tasks.spawn(requester.run());
        // Times are looked at four times a second.
        co_await async::delay(600ms);
        EXPECT_TRUE((co_await requester.request(get("/"))).has_value());
        requester.close();
        responder.close();
        co_await tasks.join();
    });
}

}  // namespace
}  // namespace decloud::net::http
