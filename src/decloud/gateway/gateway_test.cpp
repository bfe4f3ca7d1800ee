#include "gateway.hpp"

#include "gateway_test_support.hpp"

#include <decloud/identity/tunnel_claim.hpp>
#include <decloud/net/error.hpp>
#include <decloud/registry/registry_test_support.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::gateway {
namespace {

using namespace std::chrono_literals;
using registry::testing_support::RegistryChain;
using registry::testing_support::until;
using testing_support::kLoopback;
using testing_support::loopback_policy;
using testing_support::run_loop;
using testing_support::TestServer;

GatewaySettings settings_for(const std::string& chain_url, Address registry) {
    GatewaySettings settings;
    settings.listen = {kLoopback, 0, {}};
    settings.chain_urls = {chain_url};
    settings.chain.poll = 20ms;
    settings.chain.chain_id = 31337;
    settings.registry = registry;
    settings.proxy.policy = loopback_policy();
    return settings;
}

/// A gateway that runs, and what a client of it sees.
class Running {
  public:
    static async::Task<std::unique_ptr<Running>> start(
        async::Executor executor, GatewaySettings settings) {
        auto started = co_await Gateway::start(
            executor, std::move(settings), system_clock(), metrics::null_registry());
        EXPECT_TRUE(started) << started.error().message();
        std::unique_ptr<Running> out(new Running(executor, std::move(*started)));
        out->group_.spawn(out->gateway->run());
        co_return out;
    }
    async::Task<void> stop() {
        co_await client_.stop();
        co_await gateway->stop(2s);
        co_await group_.join();
    }

    /// Status and body.
    async::Task<std::pair<int, std::string>> get(std::string host, std::string target) {
        const auto url =
            net::parse_url("http://127.0.0.1:" + std::to_string(gateway->endpoint().port)).value();
        auto answer = co_await client_.request(
            url, {.target = std::move(target), .headers = {{"Host", host}}});
        EXPECT_TRUE(answer) << answer.error().message();
        if (!answer) {
            co_return std::pair{0, std::string()};
        }
        const auto body = co_await answer->read_all(1 << 20);
        co_return std::pair{answer->status(), std::string(as_text(body.value()))};
    }
    async::Task<bool> until_answer(
        std::string host, std::string target, int status, std::string body) {
        co_return co_await until([this, host, target, status, body]() -> async::Task<bool> {
            const auto answer = co_await get(host, target);
            co_return answer.first == status&& answer.second.find(body) != std::string::npos;
        });
    }

    std::unique_ptr<Gateway> gateway;

  private:
    Running(async::Executor executor, std::unique_ptr<Gateway> started)
        : gateway(std::move(started)), group_(executor), client_(executor, {}, loopback_policy()) {}
    async::TaskGroup group_;
    net::http::Client client_;
};

net::http::Handler says(std::string text) {
    return [text](net::http::Exchange exchange) -> async::Task<void> {
        (void)co_await exchange.send({}, text + " " + exchange.request().target);
    };
}

TEST(Gateway, FollowsTheRegistryToTheProvider) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const auto world = co_await RegistryChain::start(executor);
        TestServer one(executor, says("one"));
        TestServer two(executor, says("two"));
        const auto running = co_await Running::start(
            executor, settings_for(world->chain.process->url(), world->registry));
        EXPECT_TRUE(co_await running->until_answer("localhost", "/readyz", 200, "ready"));
        EXPECT_TRUE(co_await running->until_answer("alice-test.localhost", "/", 404, "alice.test"));
        co_await world->enroll("alice", one.url());
        EXPECT_TRUE(co_await running->until_answer("alice-test.localhost", "/x", 200, "one /x"));
        EXPECT_TRUE(co_await running->until_answer(
            "localhost", "/p/alice.test/x", 200, "one /p/alice.test/x"));
        co_await world->set_url("alice", two.url());
        const auto changed = std::chrono::steady_clock::now();
        EXPECT_TRUE(co_await running->until_answer("alice-test.localhost", "/x", 200, "two /x"));
        EXPECT_LT(std::chrono::steady_clock::now() - changed, 5s);
        co_await running->stop();
        co_await one.stop();
        co_await two.stop();
        co_await world->chain.stop();
    });
}

TEST(Gateway, DoesNotDialItself) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const auto world = co_await RegistryChain::start(executor);
        auto settings = settings_for(world->chain.process->url(), world->registry);
        settings.listen.ip = {};
        const auto running = co_await Running::start(executor, std::move(settings));
        co_await world->enroll(
            "alice", "http://127.0.0.1:" + std::to_string(running->gateway->endpoint().port));
        EXPECT_TRUE(co_await running->until_answer("alice-test.localhost", "/", 502, "not dial"));
        co_await running->stop();
        co_await world->chain.stop();
    });
}

TEST(Gateway, StartsWithoutTheChainAndSaysSo) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const auto running =
            co_await Running::start(executor, settings_for("http://127.0.0.1:1", Address{{1}}));
        EXPECT_TRUE(co_await running->until_answer("localhost", "/healthz", 200, "ok"));
        EXPECT_TRUE(co_await running->until_answer("localhost", "/readyz", 503, "not ready"));
        EXPECT_TRUE(co_await running->until_answer("alice.localhost", "/", 503, "alice.decloud"));
        co_await running->stop();
    });
}

TEST(Gateway, TakesTunnelsUnderItsOwnHostOnly) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const auto is_taken = [&](std::string domain, std::string host) -> async::Task<bool> {
            auto settings = settings_for("http://127.0.0.1:1", Address{{1}});
            settings.proxy.domain = domain;
            const auto running = co_await Running::start(executor, std::move(settings));
            const auto answer = co_await running->get(host, std::string(identity::kTunnelPath));
            co_await running->stop();
            co_return answer.second.find("tunnels begin") != std::string::npos;
        };
        for (const std::string host : {"127.0.0.1", "127.0.0.1:80", "[::1]:80", "localhost"}) {
            EXPECT_TRUE(co_await is_taken("localhost", host)) << host;
            EXPECT_FALSE(co_await is_taken("gateway.example", host)) << host;
        }
        EXPECT_TRUE(co_await is_taken("gateway.example", "Gateway.Example:443"));
        EXPECT_FALSE(co_await is_taken("gateway.example", "alice.gateway.example"));
    });
}

TEST(Gateway, RefusesSettingsThatCannotWork) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const auto refused = [&](auto change) -> async::Task<Result<void>> {
            auto settings = settings_for("http://127.0.0.1:1", Address{{1}});
            change(settings);
            const auto started = co_await Gateway::start(
                executor, std::move(settings), system_clock(), metrics::null_registry());
            if (!started) {
                co_return fail(started.error());
            }
            co_return Result<void>{};
        };
        for (const std::string domain : {"", "Local", "local:80", ".local", "local.", "a b"}) {
            EXPECT_FALSE(co_await refused([&](GatewaySettings& settings) {
                settings.proxy.domain = domain;
            })) << domain;
        }
        EXPECT_FALSE(
            co_await refused([](GatewaySettings& settings) { settings.chain_urls.clear(); }));
        EXPECT_FALSE(co_await refused([](GatewaySettings& settings) { settings.registry = {}; }));
        TestServer taken(executor, says("taken"));
        const auto in_use = co_await refused(
            [&](GatewaySettings& settings) { settings.listen.port = taken.port(); });
        EXPECT_FALSE(in_use);
        EXPECT_EQ(in_use.error(), make_error_code(net::NetError::address_in_use));
        co_await taken.stop();
    });
}

}  // namespace
}  // namespace decloud::gateway
