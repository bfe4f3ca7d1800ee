#include "gateway_test_support.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <string>

namespace decloud::gateway {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
using net::http::Exchange;

constexpr std::string_view kCid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
constexpr std::string_view kTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Says whether it took the payment.
async::Task<void> judge_payment(Exchange exchange) {
    const bool good = exchange.request().headers.contains("X-Good");
    (void)co_await exchange.send({good ? 200 : 402, {}, {}}, std::string());
}

std::string x402_of(std::string_view payer) {
    const std::string text = R"({"payload":{"authorization":{"from":")" + std::string(payer) +
                             R"(","to":"0x0000000000000000000000000000000000000001"}}})";
    return to_base64(as_bytes(text));
}

TEST(ProxyLimits, AnAddressThatAsksTooOftenGets429AndIsToldWhenToComeBack) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.limits.address = {.per_second = 1, .burst = 3};
        Bench bench(executor, echo_head, settings);
        int refused = 0;
        for (int index = 0; index < 4; ++index) {
            auto answer = co_await bench.ask({.target = "/x"});
            EXPECT_TRUE(answer.has_value());
            if (answer->status() == 429) {
                ++refused;
                EXPECT_EQ(answer->head().headers.find("Retry-After"), "1");
            }
            (void)co_await answer->read_all(10'000);
        }
        EXPECT_EQ(refused, 1);
        auto health =
            co_await bench.ask({.target = "/healthz", .headers = {{"Host", "localhost"}}});
        EXPECT_EQ(health->status(), 200) << "whoever watches over it is not limited";
        co_await bench.stop();
    });
}

TEST(ProxyLimits, ADeploymentHasOnlySoManyRequestsUnderWay) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.limits.deployment = {.concurrent = 1};
        async::Event arrived(executor);
        async::Event release(executor);
        Bench bench(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                if (exchange.request().path().ends_with("/slow")) {
                    arrived.set();
                    (void)co_await release.wait(30s);
                }
                (void)co_await exchange.send({}, std::string());
            },
            settings);
        async::TaskGroup slow(executor);
        const std::string path = "/" + std::string(kCid);
        slow.spawn([](Bench* asked, std::string target) -> async::Task<void> {
            auto answer = co_await asked->ask({.target = target});
            EXPECT_EQ(answer->status(), 200);
        }(&bench, path + "/slow"));
        EXPECT_TRUE(co_await arrived.wait(30s));
        {
            auto second = co_await bench.ask({.target = path + "?a"});
            EXPECT_EQ(second->status(), 429);
            auto by_path = co_await bench.ask(
                {.target = "/p/alice" + path, .headers = {{"Host", "localhost"}}});
            EXPECT_EQ(by_path->status(), 429) << "the same deployment by another address";
            auto other = co_await bench.ask({.target = "/receipts/x"});
            EXPECT_EQ(other->status(), 200);
        }
        release.set();
        co_await slow.join();
        auto after = co_await bench.ask({.target = path});
        EXPECT_EQ(after->status(), 200);
        co_await bench.stop();
    });
}

TEST(ProxyLimits, APayerIsCountedByWhatTheProviderHasTaken) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ProxySettings settings;
        settings.limits.payer = {.per_second = 1, .burst = 2};
        Bench bench(executor, judge_payment, settings);
        const std::string payment = x402_of("0x00000000000000000000000000000000000000aa");
        const auto pay = [&](std::string header, bool good) -> async::Task<int> {
            net::http::ClientRequest request{.target = "/x", .headers = {{"X-PAYMENT", header}}};
            if (good) {
                request.headers.add("X-Good", "1");
            }
            const auto answer = co_await bench.ask(std::move(request));
            co_return answer ? answer->status() : 0;
        };
        for (int index = 0; index < 5; ++index) {
            EXPECT_EQ(co_await pay(payment, false), 402) << "by somebody who is not the payer";
        }
        EXPECT_EQ(co_await pay(payment, true), 200);
        EXPECT_EQ(co_await pay(payment, true), 200);
        EXPECT_EQ(co_await pay(payment, true), 429);
        EXPECT_EQ(co_await pay(x402_of("0x00000000000000000000000000000000000000bb"), true), 200);
        co_await bench.stop();
    });
}

TEST(ProxyLimits, ATraceGoesOnWithASpanOfTheGateway) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Bench bench(executor, echo_head);
        auto answer = co_await bench.ask(
            {.target = "/x", .headers = {{"Traceparent", kTrace}, {"tracestate", "vendor=1"}}});
        const std::string seen(as_text((co_await answer->read_all(10'000)).value()));
        EXPECT_NE(seen.find("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"), seen.npos);
        EXPECT_EQ(seen.find("00f067aa0ba902b7"), seen.npos) << "the caller's own span";
        EXPECT_NE(seen.find("tracestate: vendor=1"), seen.npos);
        auto fresh = co_await bench.ask(
            {.target = "/x", .headers = {{"traceparent", "nonsense"}, {"tracestate", "a=1"}}});
        const std::string made(as_text((co_await fresh->read_all(10'000)).value()));
        EXPECT_NE(made.find("traceparent: 00-"), made.npos);
        EXPECT_EQ(made.find("nonsense"), made.npos);
        EXPECT_EQ(made.find("tracestate"), made.npos);
        co_await bench.stop();
    });
}

}  // namespace
}  // namespace decloud::gateway
