#include "routers.hpp"

#include "multiaddr.hpp"
#include "routed_fetch.hpp"

#include <decloud/async/event.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/net/testing/test_loop.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

using content::Cid;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

std::string record(std::string_view address, std::string_view more = {}) {
    return fmt::format(R"({{"Schema":"peer","ID":"12D3KooW","Addrs":["{}"]{}}})", address, more);
}

std::string providers(const std::vector<std::string>& records) {
    return fmt::format(R"({{"Providers":[{}]}})", fmt::join(records, ","));
}

std::vector<std::string> hosts(const std::vector<net::Url>& urls) {
    std::vector<std::string> out;
    for (const net::Url& url : urls) {
        out.push_back(url.host);
    }
    return out;
}

std::vector<std::string> read(std::string_view text, const RouterLimits& limits = {}) {
    const auto gateways = parse_providers(text, limits);
    return gateways ? hosts(*gateways) : std::vector<std::string>{gateways.error().message()};
}

TEST(Providers, AreThoseThatSpeakHttp) {
    const std::string a = "/dns/a.example/tcp/443/tls/http";
    EXPECT_THAT(read(providers({record(a)})), ElementsAre("a.example"));
    EXPECT_THAT(read(providers({record(a, R"(,"Protocols":[])")})), ElementsAre("a.example"));
    EXPECT_THAT(read(providers({record(
                    a, R"(,"Protocols":["transport-bitswap","transport-ipfs-gateway-http"])")})),
        ElementsAre("a.example"));
    EXPECT_THAT(read(providers({record(a, R"(,"Protocols":["transport-bitswap"])")})), IsEmpty());
    EXPECT_THAT(read(providers({record(a), record(a), record("/dns/b.example/tcp/80/http")})),
        ElementsAre("a.example", "b.example"));
    EXPECT_THAT(read(providers({})), IsEmpty());
    EXPECT_THAT(read(R"({"Providers":null})"), IsEmpty());
}

TEST(Providers, UnknownRecordsArePassedOver) {
    EXPECT_THAT(
        read(providers({"1", "{}", R"({"Schema":"bitswap","Addrs":["https://x.example"]})",
            R"({"Schema":"peer"})", R"({"Schema":"peer","Addrs":"https://x.example"})",
            R"({"Schema":"peer","Addrs":[1,null,"/ip4/1.2.3.4/udp/1/quic","https://a.example"]})"})),
        ElementsAre("a.example"));
}

TEST(Providers, AnswersThatAreNoneAreRefused) {
    for (const char* const text : {"", "[]", "null", "{}", R"({"Providers":{}})",
             "{\"Providers\":[", R"({"Providers":[]}{"Providers":[]})"}) {
        EXPECT_FALSE(parse_providers(text, {})) << text;
    }
    EXPECT_FALSE(parse_providers(providers({record(std::string(1000, 'x'))}), {.max_bytes = 1000}));
    const std::string deep(1000, '[');
    EXPECT_FALSE(parse_providers(R"({"Providers":)" + deep, {}));
}

TEST(Providers, OnlyTheFirstRecordsAndAddressesAreLookedAt) {
    std::vector<std::string> many;
    for (int i = 0; i < 10; ++i) {
        many.push_back(record(fmt::format("https://{}.example", i)));
    }
    EXPECT_THAT(read(providers(many), {.max_records = 3}), SizeIs(3));
    EXPECT_THAT(read(R"({"Providers":[{"Schema":"peer","Addrs":["x","x","https://a.example"]}]})",
                    {.max_addresses = 2}),
        IsEmpty());
}

/// What a router does with every question.
enum class Manner { answers, lacks, fails, redirects, floods, never_ends, never_answers, babbles };

/// A router that names gateways, or does not.
class TestRouter {
  public:
    TestRouter(async::Executor executor, Manner manner, std::vector<std::string> addresses = {})
        : executor_(executor),
          manner_(manner),
          server_(executor,
              [this](net::http::Exchange exchange) { return answer(std::move(exchange)); }) {
        for (const std::string& address : addresses) {
            records_.push_back(record(address));
        }
    }

    [[nodiscard]] net::Url url() const { return net::parse_url(server_.url()).value(); }
    [[nodiscard]] int asked() const { return asked_; }
    [[nodiscard]] const std::string& target() const { return target_; }
    async::Task<void> stop() { return server_.stop(); }

  private:
    async::Task<void> answer(net::http::Exchange exchange) {
        ++asked_;
        target_ = exchange.request().target;
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/json");
        switch (manner_) {
            case Manner::answers:
                (void)co_await exchange.send(std::move(head), providers(records_));
                break;
            case Manner::lacks:
                head.status = 404;
                (void)co_await exchange.send(std::move(head), std::string());
                break;
            case Manner::fails:
                head.status = 503;
                (void)co_await exchange.send(std::move(head), std::string());
                break;
            case Manner::redirects:
                head.status = 302;
                head.headers.add("Location", "/routing/v1/providers/elsewhere");
                (void)co_await exchange.send(std::move(head), std::string());
                break;
            case Manner::floods:
                (void)co_await exchange.start(std::move(head));
                while (co_await exchange.write(as_bytes(std::string(65'536, ' ')))) {
                }
                break;
            case Manner::never_ends:
                (void)co_await exchange.start(std::move(head));
                (void)co_await exchange.write(as_bytes(R"({"Providers":[)"));
                co_await wait_for_hang_up(std::move(exchange));
                break;
            case Manner::never_answers:
                co_await wait_for_hang_up(std::move(exchange));
                break;
            case Manner::babbles:
                (void)co_await exchange.send(std::move(head), std::string("<html>"));
                break;
        }
    }

    async::Task<void> wait_for_hang_up(net::http::Exchange exchange) {
        async::Event gone(executor_);
        const auto registration = exchange.hang_up().on_cancel([&gone] { gone.set(); });
        (void)co_await gone.wait(1min);
    }

    async::Executor executor_;
    Manner manner_;
    std::vector<std::string> records_;
    int asked_ = 0;
    std::string target_;
    net::testing::TestServer server_;
};

/// Clients as a node has them: `strangers` may dial the public internet only, unless told.
struct Clients {
    explicit Clients(
        async::Executor executor, net::OutboundPolicy policy = net::OutboundPolicy::trusted())
        : trusted(executor, {}, net::OutboundPolicy::trusted()),
          strangers(executor, {}, std::move(policy)) {}
    async::Task<void> stop() {
        co_await trusted.stop();
        co_await strangers.stop();
    }
    net::http::Client trusted;
    net::http::Client strangers;
};

Cid some_cid() { return Cid::of(multiformats::Codec::raw, as_bytes("some")); }

TEST(Routers, NameGatewaysByTurns) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        Clients clients(executor);
        TestRouter first(executor, Manner::answers,
            {"https://a.example", "https://b.example", "https://c.example", "https://d.example"});
        TestRouter second(executor, Manner::answers, {"https://a.example", "https://x.example"});
        TestRouter third(executor, Manner::lacks);
        Routers routers(
            clients.trusted, {first.url(), second.url(), third.url()}, {.max_gateways = 3});
        const auto found = co_await routers.find(some_cid());
        EXPECT_THAT(hosts(found.value()), ElementsAre("a.example", "b.example", "x.example"));
        EXPECT_EQ(first.target(), "/routing/v1/providers/" + some_cid().to_string() +
                                      "?filter-protocols=unknown,transport-ipfs-gateway-http");
        EXPECT_EQ((co_await routers.find(some_cid())).value(), found.value());
        EXPECT_EQ(first.asked() + second.asked() + third.asked(), 3) << "it is remembered";
        co_await clients.stop();
        co_await first.stop();
        co_await second.stop();
        co_await third.stop();
    });
}

TEST(Routers, WhatTheySaidIsForgottenInTimeAndWhenThereIsTooMuch) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        Clients clients(executor);
        TestRouter router(executor, Manner::answers);
        Routers forgetful(clients.trusted, {router.url()}, {.absent_for = 0s});
        EXPECT_THAT((co_await forgetful.find(some_cid())).value(), IsEmpty());
        EXPECT_THAT((co_await forgetful.find(some_cid())).value(), IsEmpty());
        EXPECT_EQ(router.asked(), 2);
        Routers small(clients.trusted, {router.url()}, {.absent_for = 1h, .max_remembered = 1});
        const Cid other = Cid::of(multiformats::Codec::raw, as_bytes("other"));
        EXPECT_THAT((co_await small.find(some_cid())).value(), IsEmpty());
        EXPECT_THAT((co_await small.find(other)).value(), IsEmpty());
        EXPECT_THAT((co_await small.find(other)).value(), IsEmpty());
        EXPECT_EQ(router.asked(), 4) << "the newest is remembered";
        EXPECT_THAT((co_await small.find(some_cid())).value(), IsEmpty());
        EXPECT_EQ(router.asked(), 5) << "the oldest is not";
        co_await clients.stop();
        co_await router.stop();
    });
}

TEST(Routers, AreAskedSoOftenAMinuteAndNoMore) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        Clients clients(executor);
        TestRouter router(executor, Manner::answers);
        Routers routers(clients.trusted, {router.url()}, {.max_questions = 1, .absent_for = 1h});
        EXPECT_TRUE(co_await routers.find(some_cid()));
        const Cid other = Cid::of(multiformats::Codec::raw, as_bytes("other"));
        EXPECT_EQ(
            (co_await routers.find(other)).error(), make_error_code(CommonError::unavailable));
        EXPECT_TRUE(co_await routers.find(some_cid())) << "it is remembered";
        EXPECT_EQ(router.asked(), 1);
        co_await clients.stop();
        co_await router.stop();
    });
}

TEST(Routers, OneThatMisbehavesIsBoundedAndTheOthersCount) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        for (const Manner manner : {Manner::fails, Manner::redirects, Manner::floods,
                 Manner::never_ends, Manner::never_answers, Manner::babbles}) {
            const bool never_ends = manner == Manner::never_ends || manner == Manner::never_answers;
            Clients clients(executor);
            TestRouter bad(executor, manner);
            TestRouter good(executor, Manner::answers, {"https://a.example"});
            Routers both(
                clients.trusted, {bad.url(), good.url()}, {.time = never_ends ? 3s : 1min});
            EXPECT_THAT(hosts((co_await both.find(some_cid())).value_or(std::vector<net::Url>{})),
                ElementsAre("a.example"))
                << static_cast<int>(manner);
            Routers alone(clients.trusted, {bad.url()}, {.time = never_ends ? 200ms : 1min});
            const auto none = co_await alone.find(some_cid());
            EXPECT_FALSE(none) << static_cast<int>(manner);
            if (!none) {
                EXPECT_EQ(none.error(), make_error_code(CommonError::unavailable));
                EXPECT_THAT(none.error().detail(), HasSubstr(bad.url().to_string()));
            }
            EXPECT_TRUE(never_ends || bad.asked() == 2)
                << "a redirect was followed, or a failure remembered";
            co_await clients.stop();
            co_await bad.stop();
            co_await good.stop();
        }
    });
}

/// A gateway that gives one block to whoever asks for any; or what is not it.
class BlockGateway {
  public:
    BlockGateway(async::Executor executor, std::string block)
        : server_(executor, [this, block](net::http::Exchange exchange) {
              return answer(std::move(exchange), block);
          }) {}
    [[nodiscard]] net::Url url() const { return net::parse_url(server_.url()).value(); }
    [[nodiscard]] std::string address() const { return multiaddr_of(url()).value(); }
    [[nodiscard]] int asked() const { return asked_; }
    async::Task<void> stop() { return server_.stop(); }

  private:
    async::Task<void> answer(net::http::Exchange exchange, std::string block) {
        ++asked_;
        net::http::ResponseHead head;
        if (exchange.request().query() != "format=raw") {
            head.status = 406;
            block.clear();
        } else if (block.empty()) {
            head.status = 404;
        }
        (void)co_await exchange.send(std::move(head), std::move(block));
    }

    int asked_ = 0;
    net::testing::TestServer server_;
};

constexpr std::string_view kText = "what a router knows of";

async::Task<Result<Fetched>> fetch_text(
    Clients* clients, std::vector<net::Url> gateways, Routers* routers) {
    const auto store = content::make_memory_block_store();
    co_return co_await fetch_from_places(
        {std::move(gateways), clients->trusted, routers, clients->strangers},
        Cid::of(multiformats::Codec::raw, as_bytes(kText)), {}, *store);
}

TEST(RoutedFetch, RoutersAreAskedWhereNoGatewayGivesIt) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        Clients clients(executor);
        BlockGateway honest(executor, std::string(kText));
        BlockGateway liar(executor, "something else");
        BlockGateway without(executor, "");
        TestRouter router(executor, Manner::answers, {liar.address(), honest.address()});
        Routers routers(clients.trusted, {router.url()});
        EXPECT_TRUE(co_await fetch_text(&clients, {honest.url()}, &routers));
        EXPECT_EQ(router.asked(), 0) << "a configured one gave it";
        const auto found = co_await fetch_text(&clients, {without.url()}, &routers);
        EXPECT_TRUE(found) << found.error().message();
        EXPECT_TRUE(co_await fetch_text(&clients, {}, &routers));
        EXPECT_EQ(router.asked(), 1);
        EXPECT_FALSE(co_await fetch_text(&clients, {without.url()}, nullptr));
        co_await clients.stop();
        co_await router.stop();
        co_await honest.stop();
        co_await liar.stop();
        co_await without.stop();
    });
}

TEST(RoutedFetch, WhatRoutersNameIsAStrangersWord) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        Clients clients(executor);
        BlockGateway liar(executor, "something else");
        TestRouter to_liar(executor, Manner::answers, {liar.address()});
        Routers lying(clients.trusted, {to_liar.url()});
        const auto lied = co_await fetch_text(&clients, {}, &lying);
        EXPECT_EQ(lied.error(), make_error_code(CommonError::corrupt)) << lied.error().message();

        TestRouter nobody(executor, Manner::answers);
        Routers empty(clients.trusted, {nobody.url()});
        const auto absent = co_await fetch_text(&clients, {liar.url()}, &empty);
        EXPECT_EQ(absent.error(), make_error_code(CommonError::corrupt)) << "the gateway lied";
        EXPECT_EQ((co_await fetch_text(&clients, {}, &empty)).error(),
            make_error_code(CommonError::not_found));

        Clients careful(executor, net::OutboundPolicy{});
        BlockGateway inside(executor, std::string(kText));
        TestRouter to_inside(executor, Manner::answers, {inside.address()});
        Routers luring(careful.trusted, {to_inside.url()});
        const auto lured = co_await fetch_text(&careful, {}, &luring);
        EXPECT_EQ(lured.error(), make_error_code(CommonError::unavailable));
        EXPECT_EQ(inside.asked(), 0);
        co_await clients.stop();
        co_await careful.stop();
        for (TestRouter* router : {&to_liar, &nobody, &to_inside}) {
            co_await router->stop();
        }
        co_await liar.stop();
        co_await inside.stop();
    });
}

}  // namespace

}  // namespace decloud::ipfs
