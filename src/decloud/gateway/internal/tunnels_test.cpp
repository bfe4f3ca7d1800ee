#include "tunnels.hpp"

#include "../gateway_test_support.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/delegation.hpp>
#include <decloud/identity/names.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace decloud::gateway::internal {
namespace {

using namespace std::chrono_literals;
using net::websocket::ByteStream;
using testing_support::loopback_policy;
using testing_support::run_loop;
using testing_support::TestServer;

constexpr UnixSeconds kNow{1'800'000'000};
constexpr std::uint64_t kStart = kNow.value * 1000;
const identity::Domain kDomain{.chain_id = 31337, .escrow = Address{{1}}};

/// One provider, whose record may change.
class OneProvider final : public registry::ProviderSource {
  public:
    async::Task<Result<registry::Provider>> find(identity::ProviderName /*name*/) override {
        co_return record;
    }
    registry::Provider record{.name = identity::ProviderName::parse("alice").value(),
        .address = {},
        .url = net::parse_url("http://127.0.0.1:9").value(),
        .rsa_key = std::nullopt};
};

TunnelSettings settings() {
    TunnelSettings out;
    out.domain = kDomain;
    out.is_own_host = [](std::string_view) { return true; };
    out.is_own_name = [](std::string_view host) { return host.ends_with(".gateway"); };
    return out;
}

/// A gateway's end that takes tunnels, and alice who opens them.
class TunnelBench {
  public:
    explicit TunnelBench(async::Executor executor, TunnelSettings wanted = settings())
        : tunnels(executor, source, clock, std::move(wanted)),
          server(executor,
              [this](net::http::Exchange exchange) { return tunnels.accept(std::move(exchange)); }),
          client(executor, {}, loopback_policy()),
          executor_(executor),
          links_(executor) {
        source.record.address = account.address();
    }

    async::Task<void> stop() {
        for (const auto& link : opened) {
            link->close();
        }
        co_await links_.join();
        co_await tunnels.stop();
        co_await client.stop();
        co_await server.stop();
    }

    /// What the gateway says: empty if the tunnel is open.
    async::Task<std::string> open(std::uint64_t epoch, std::uint64_t delegation_epoch = 0) {
        auto response = co_await client.request(net::parse_url(server.url()).value(),
            {.target = std::string(identity::kTunnelPath),
                .headers = {{"Host", "gateway"}, {"Upgrade", "websocket"},
                    {"Sec-WebSocket-Version", "13"},
                    {"Sec-WebSocket-Key", to_base64(crypto::random_bytes(16))},
                    {"Sec-WebSocket-Protocol", identity::kTunnelProtocol}}});
        auto stream = std::make_unique<ByteStream>(
            response.value().upgrade().value(), net::websocket::Role::client);
        const auto challenge = (co_await hear(stream.get())).value();
        identity::TunnelClaim claim{.name = "alice.decloud",
            .epoch = epoch,
            .instance = "1",
            .delegation = identity::make_delegation(account, source.record.name.node(),
                key.public_key(), delegation_epoch, clock.unix_seconds(), 1h, kDomain)
                .value(),
            .signature = {}};
        identity::sign_tunnel_claim(claim,
            {.host = "gateway",
                .nonce = json::string_member(challenge, "nonce").value(),
                .exporter = {}},
            key);
        (void)co_await stream->write(as_bytes(identity::format_tunnel_claim(claim)));
        const auto answer = (co_await hear(stream.get())).value();
        if (answer.contains("error")) {
            co_return json::string_member(answer, "error").value();
        }
        opened.push_back(std::make_shared<net::http::Http2Responder>(
            executor_, std::move(stream), net::PeerAddress{}, net::http::ServerSettings{},
            [](net::http::Exchange exchange) -> async::Task<void> {
                (void)co_await exchange.send({}, "here");
            },
            net::http::Liveness{}));
        links_.spawn([](std::shared_ptr<net::http::Http2Responder> link) -> async::Task<void> {
            co_await link->run();
        }(opened.back()));
        co_return std::string();
    }

    /// Whether alice answers through a tunnel.
    async::Task<bool> answers() {
        const auto link = tunnels.find(source.record);
        if (!link) {
            co_return false;
        }
        co_return (co_await link->request({.target = "/", .headers = {{"Host", "a"}}})).has_value();
    }

    crypto::Secp256k1PrivateKey account = crypto::Secp256k1PrivateKey::generate();
    crypto::Ed25519PrivateKey key = crypto::Ed25519PrivateKey::generate();
    ManualClock clock{kNow};
    OneProvider source;
    Tunnels tunnels;
    TestServer server;
    net::http::Client client;
    std::vector<std::shared_ptr<net::http::Http2Responder>> opened;

  private:
    static async::Task<Result<json::Object>> hear(ByteStream* stream) {
        CO_TRY(const Bytes text, co_await stream->read_message(4096));
        CO_TRY(const json::Value value, json::parse(as_text(text), {.max_bytes = 4096}));
        co_return value.get_object();
    }

    async::Executor executor_;
    async::TaskGroup links_;
};

TEST(Tunnels, ALaterProcessHasTheName) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelBench bench(executor);
        EXPECT_EQ(co_await bench.open(kStart), "");
        EXPECT_TRUE(co_await bench.answers());
        EXPECT_EQ(co_await bench.open(kStart), "");
        EXPECT_EQ(bench.tunnels.size(), 2U);
        EXPECT_NE(co_await bench.open(kStart - 1), "");
        EXPECT_EQ(co_await bench.open(kStart + 1), "");
        EXPECT_EQ(bench.tunnels.size(), 1U);
        EXPECT_TRUE(co_await bench.answers());
        co_await bench.stop();
    });
}

TEST(Tunnels, RefusesAClaimOfTheFuture) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelBench bench(executor);
        EXPECT_NE(co_await bench.open(kStart + 300'001), "");
        EXPECT_EQ(co_await bench.open(kStart + 300'000), "");
        co_await bench.stop();
    });
}

TEST(Tunnels, EndWithTheDelegation) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelBench bench(executor);
        EXPECT_EQ(co_await bench.open(kStart), "");
        bench.clock.advance(54min);
        EXPECT_TRUE(co_await bench.answers());
        bench.clock.advance(1min);
        EXPECT_FALSE(co_await bench.answers());
        EXPECT_EQ(bench.tunnels.size(), 0U);
        // As a later one opens, too, though its process began before.
        EXPECT_EQ(co_await bench.open(kStart), "");
        bench.clock.advance(1h);
        EXPECT_EQ(co_await bench.open(kStart - 1), "");
        EXPECT_EQ(bench.tunnels.size(), 1U);
        EXPECT_TRUE(co_await bench.answers());
        co_await bench.stop();
    });
}

TEST(Tunnels, EndWhenTheDelegationIsRevoked) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelBench bench(executor);
        EXPECT_EQ(co_await bench.open(kStart, 1), "");
        bench.source.record.lowest_epoch = 2;
        EXPECT_FALSE(co_await bench.answers());
        EXPECT_EQ(bench.tunnels.size(), 0U);
        EXPECT_NE(co_await bench.open(kStart, 1), "");
        EXPECT_EQ(co_await bench.open(kStart, 2), "");
        // A thief of the old key cannot stay by a late epoch of its own.
        EXPECT_EQ(co_await bench.open(kStart - 1, 3), "");
        EXPECT_NE(co_await bench.open(kStart + 1, 2), "");
        EXPECT_EQ(bench.tunnels.size(), 1U);
        EXPECT_TRUE(co_await bench.answers());
        co_await bench.stop();
    });
}

TEST(Tunnels, EndWhenTheNameHasAnotherAccount) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelBench bench(executor);
        EXPECT_EQ(co_await bench.open(kStart, 7), "");
        bench.account = crypto::Secp256k1PrivateKey::generate();
        bench.source.record.address = bench.account.address();
        EXPECT_EQ(co_await bench.open(kStart - 1), "")
            << "what another account said does not count";
        EXPECT_EQ(bench.tunnels.size(), 1U);
        bench.source.record.address = Address{{9}};
        EXPECT_FALSE(co_await bench.answers());
        EXPECT_EQ(bench.tunnels.size(), 0U);
        co_await bench.stop();
    });
}

TEST(Tunnels, AreWaitedForAfterARestartWhereNothingElseLeads) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelSettings wanted = settings();
        wanted.return_window = 1h;
        TunnelBench bench(executor, std::move(wanted));
        co_await bench.tunnels.await_return(bench.source.record);
        bench.source.record.url = net::parse_url("http://alice.gateway").value();
        bool ended = false;
        async::TaskGroup waiting(executor);
        waiting.spawn([](TunnelBench* of, bool* told) -> async::Task<void> {
            co_await of->tunnels.await_return(of->source.record);
            *told = true;
            EXPECT_TRUE(co_await of->answers());
        }(&bench, &ended));
        EXPECT_NE(co_await bench.open(kStart + 300'001), "");
        EXPECT_FALSE(ended);
        EXPECT_EQ(co_await bench.open(kStart), "");
        co_await waiting.join();
        EXPECT_TRUE(ended);
        // Who was here and went is not waited for.
        bench.source.record.lowest_epoch = 1;
        EXPECT_FALSE(co_await bench.answers());
        co_await bench.tunnels.await_return(bench.source.record);
        co_await bench.stop();
    });
}

TEST(Tunnels, AreNotWaitedForLaterOrAtTheStop) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TunnelSettings wanted = settings();
        wanted.return_window = 0ms;
        TunnelBench late(executor, std::move(wanted));
        late.source.record.url = net::parse_url("http://alice.gateway").value();
        co_await late.tunnels.await_return(late.source.record);
        co_await late.stop();

        wanted = settings();
        wanted.return_window = 1h;
        TunnelBench stopped(executor, std::move(wanted));
        stopped.source.record.url = net::parse_url("http://alice.gateway").value();
        async::TaskGroup waiting(executor);
        waiting.spawn(stopped.tunnels.await_return(stopped.source.record));
        co_await async::delay(0ms);
        co_await stopped.stop();
        co_await waiting.join();
    });
}

}  // namespace
}  // namespace decloud::gateway::internal
