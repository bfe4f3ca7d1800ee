#include "../error.hpp"
#include "../testing/test_certificate.hpp"
#include "../testing/test_loop.hpp"
#include "client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace decloud::net::http {
namespace {

using namespace std::chrono_literals;
using testing::Certificate;
using testing::run_loop;
using testing::TestServer;

/// A TLS server that speaks both versions, and a client that would rather have HTTP/2.
class Pair {
  public:
    explicit Pair(async::Executor executor, bool http2 = true)
        : server(
              executor,
              [this](Exchange exchange) { return answer(std::move(exchange)); },
              server_settings()),
          client(executor, client_settings(http2), OutboundPolicy::trusted()) {}

    [[nodiscard]] Url url(std::string_view target = "/") const {
        return parse_url(fmt::format("https://localhost:{}{}", server.port(), target)).value();
    }
    async::Task<std::string> text(ClientRequest request, std::string_view target = "/") {
        auto response = co_await client.request(url(target), std::move(request));
        if (!response) {
            co_return response.error().message();
        }
        const auto body = co_await response->read_all(1U << 24U);
        co_return body ? std::string(as_text(*body)) : body.error().message();
    }
    async::Task<void> stop() {
        co_await client.stop();
        co_await server.stop();
    }

    Certificate certificate;
    TestServer server;
    Client client;
    /// Requests come in at a time, at most.
    std::size_t most_at_once = 0;

  private:
    [[nodiscard]] ServerSettings server_settings() const {
        ServerSettings settings;
        settings.tls = TlsServerContext::load(certificate.path, certificate.key_path).value();
        return settings;
    }
    [[nodiscard]] ClientSettings client_settings(bool http2) const {
        ClientSettings settings;
        settings.http2 = http2;
        settings.ca_file = certificate.path;
        return settings;
    }
    async::Task<void> answer(Exchange exchange) {
        most_at_once = std::max(most_at_once, ++at_once_);
        const RequestHead head = exchange.request();
        const auto body = co_await exchange.read_all(1U << 24U);
        if (head.target == "/slow") {
            co_await async::delay(20ms);
        }
        --at_once_;
        std::string said = fmt::format("{} {} {} {}", head.method, head.target,
            head.headers.find("Host").value_or("?"), body ? body->size() : 0);
        (void)co_await exchange.send({200, {}, {{"X-Seen", "yes"}}}, std::move(said));
    }
    std::size_t at_once_ = 0;
};

/// A body of so many bytes that is made while it is sent.
BodySource source_of(std::size_t size) {
    auto left = std::make_shared<std::size_t>(size);
    return {.read = [left](std::span<std::uint8_t> target) -> async::Task<Result<std::size_t>> {
        const std::size_t count = std::min(*left, target.size());
        std::ranges::fill(target.first(count), std::uint8_t{'x'});
        *left -= count;
        co_return count;
    }};
}

TEST(HttpClientHttp2, SharesOneConnectionFromTheFirstRequestsOn) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        async::TaskGroup group(executor);
        int right = 0;
        for (int i = 0; i < 50; ++i) {
            group.spawn([](Pair* of, int* count) -> async::Task<void> {
                const std::string said = co_await of->text({}, "/slow");
                *count += said.starts_with("GET /slow localhost:") ? 1 : 0;
            }(&pair, &right));
        }
        co_await group.join();
        EXPECT_EQ(right, 50);
        EXPECT_EQ(pair.client.connections_made(), 1U);
        EXPECT_GT(pair.most_at_once, 1U);
        co_await pair.stop();
    });
}

TEST(HttpClientHttp2, SpeaksHttp1WhereNothingElseIsOffered) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor, false);
        async::TaskGroup group(executor);
        for (int i = 0; i < 5; ++i) {
            group.spawn([](Pair* of) -> async::Task<void> {
                EXPECT_TRUE((co_await of->text({}, "/slow")).starts_with("GET /slow"));
            }(&pair));
        }
        co_await group.join();
        EXPECT_EQ(pair.client.connections_made(), 5U);
        co_await pair.stop();
    });
}

TEST(HttpClientHttp2, SendsBodiesOfAllKinds) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        const std::string host = fmt::format("localhost:{}", pair.server.port());
        EXPECT_EQ(co_await pair.text({.method = "POST", .body = Bytes(100'000, 1)}),
            "POST / " + host + " 100000");
        EXPECT_EQ(co_await pair.text({.method = "PUT", .body = source_of(1'000'000)}, "/a?b"),
            "PUT /a?b " + host + " 1000000");
        EXPECT_EQ(co_await pair.text({.method = "POST",
                      .headers = {{"Expect", "100-continue"}},
                      .body = source_of(70'000)}),
            "POST / " + host + " 70000");
        EXPECT_EQ(co_await pair.text({.target = "/other", .headers = {{"Host", "there"}}}),
            "GET /other there 0");
        EXPECT_EQ(pair.client.connections_made(), 1U);
        co_await pair.stop();
    });
}

TEST(HttpClientHttp2, TakesHttp1ForUpgrades) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        EXPECT_NE(co_await pair.text({}), "");
        auto response =
            co_await pair.client.request(pair.url(), {.headers = {{"Upgrade", "websocket"}}});
        EXPECT_TRUE(response.has_value());
        EXPECT_EQ(response->status(), 200);
        EXPECT_EQ(pair.client.connections_made(), 2U);
        co_await pair.stop();
    });
}

TEST(HttpClientHttp2, RefusesWhatCannotBeSent) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        const auto response = co_await pair.client.request(pair.url(), {.target = "/a b"});
        EXPECT_FALSE(response);
        EXPECT_EQ(response.error(), make_error_code(CommonError::invalid_input));
        EXPECT_EQ(pair.client.connections_made(), 0U);
        co_await pair.stop();
    });
}

TEST(HttpClientHttp2, GoesOnWithANewConnectionWhenTheServerHasStopped) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        auto pair = std::make_unique<Pair>(executor);
        EXPECT_NE(co_await pair->text({}), "");
        const std::uint16_t port = pair->server.port();
        co_await pair->server.stop();
        const auto refused = co_await pair->client.request(pair->url(), {});
        EXPECT_FALSE(refused);
        EXPECT_EQ(refused.error(), make_error_code(NetError::connect_failed));

        ServerSettings settings;
        settings.tls =
            TlsServerContext::load(pair->certificate.path, pair->certificate.key_path).value();
        TestServer again(executor,
            [](Exchange exchange) -> async::Task<void> {
                (void)co_await exchange.send({}, "again");
            },
            settings, {IpAddress::v4({127, 0, 0, 1}), port, {}});
        EXPECT_EQ(co_await pair->text({}), "again");
        co_await pair->client.stop();
        co_await again.stop();
    });
}

TEST(HttpClientHttp2, LeavesConnectionsThatNobodyUses) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        ClientSettings settings;
        settings.http2 = true;
        settings.ca_file = pair.certificate.path;
        settings.pool_timeout = 10ms;
        Client hasty(executor, settings, OutboundPolicy::trusted());
        for (std::uint64_t made = 0; made < 2;) {
            auto response = co_await hasty.request(pair.url(), {});
            EXPECT_TRUE(response.has_value());
            EXPECT_TRUE((co_await response->read_all(100)).has_value());
            made = hasty.connections_made();
            co_await async::delay(20ms);
        }
        co_await hasty.stop();
        co_await pair.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
