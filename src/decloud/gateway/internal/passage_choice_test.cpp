#include "../gateway_test_support.hpp"

#include <gtest/gtest.h>

#include <memory>

// Which answers of a provider let another one be tried: never more than one may have run.

namespace decloud::gateway {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

const std::string kCid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

/// A provider that runs everything, and answers calls as it is told to.
class Played {
  public:
    Played(const async::Executor& executor, std::string price)
        : price_(std::move(price)), server(executor, [this](net::http::Exchange exchange) {
              return serve(std::move(exchange));
          }) {}

    /// Nothing: it hangs up.
    std::optional<net::http::ResponseHead> answer = good();
    int calls = 0;

    static net::http::ResponseHead good() { return {200, {}, {{"OpenCloud-Status", "ok"}}}; }

  private:
    async::Task<void> serve(net::http::Exchange exchange) {
        const std::string& target = exchange.request().target;
        if (target.starts_with("/oc/v1/compute/describe")) {
            (void)co_await exchange.send({}, R"({"runs":true,"price":")" + price_ + "\"}");
            co_return;
        }
        if (target == "/readyz") {
            (void)co_await exchange.send({}, "ready");
            co_return;
        }
        ++calls;
        if (answer) {
            (void)co_await exchange.send(*answer, "x");
        } else {
            exchange.abort();
        }
    }

    std::string price_;

  public:
    TestServer server;
};

/// Alice, who is cheaper and so is asked first, and bob.
class Pair {
  public:
    explicit Pair(const async::Executor& executor)
        : alice(executor, "1"), bob(executor, "2"), bench(executor, echo_head, settings()) {}

    /// Once both are known to run it.
    async::Task<void> begin() {
        for (const std::string name : {"alice", "bob"}) {
            net::http::Headers only{{"X-Decloud-Prefer", "only=(\"" + name + "\")"}};
            while ((co_await call("GET", only)).first != 200) {
                co_await async::delay(1ms);
            }
        }
    }
    /// The status and who was asked last.
    async::Task<std::pair<int, std::string>> call(
        std::string method = "GET", net::http::Headers headers = {}) {
        headers.add("Host", "localhost");
        if (!headers.contains("X-Decloud-Prefer")) {
            headers.add("X-Decloud-Prefer", "by=price");
        }
        net::http::ClientRequest request{
            .method = method, .target = "/" + kCid, .headers = std::move(headers)};
        auto answer = co_await bench.ask(std::move(request));
        if (!answer) {
            co_return std::pair(0, answer.error().message());
        }
        const int status = answer->status();
        const std::string who(answer->head().headers.find("X-Decloud-Provider").value_or(""));
        EXPECT_TRUE(co_await answer->read_all(10'000));
        co_return std::pair(status, who);
    }
    /// The same of a call that came to alice first, and how many calls bob got meanwhile. She may
    /// be left out for a while.
    async::Task<std::pair<int, int>> call_of_alice(std::string method) {
        for (;;) {
            const int before = alice.calls;
            const int before_bob = bob.calls;
            const auto [status, who] = co_await call(method);
            if (alice.calls > before) {
                EXPECT_EQ(alice.calls, before + 1);
                co_return std::pair(status, bob.calls - before_bob);
            }
            co_await async::delay(1ms);
        }
    }
    async::Task<void> stop() {
        co_await bench.stop();
        co_await alice.server.stop();
        co_await bob.server.stop();
    }

    Played alice;
    Played bob;
    Bench bench;

  private:
    static registry::Provider provider(const std::string& label, const Played& played) {
        return {.name = identity::ProviderName::parse(label).value(),
            .address = Address{{static_cast<std::uint8_t>(label.size())}},
            .url = net::parse_url(played.server.url()).value(),
            .rsa_key = std::nullopt};
    }
    ProxySettings settings() {
        ProxySettings out;
        out.providers = [list = std::make_shared<const std::vector<registry::Provider>>(std::vector{
                             provider("alice", alice), provider("bob", bob)})] { return list; };
        return out;
    }
};

net::http::ResponseHead refusal(int status, net::http::Headers more = {}) {
    more.add("OpenCloud-Status", status == 503 ? "server-error" : "request-declined");
    return {status, {}, std::move(more)};
}

TEST(PassageChoice, TriesNobodyElseForWhatWasSent) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        co_await pair.begin();
        pair.alice.answer.reset();
        for (const std::string method : {"GET", "PUT", "DELETE", "POST"}) {
            EXPECT_EQ(co_await pair.call_of_alice(method), std::pair(502, 0)) << method;
        }
        co_await pair.stop();
    });
}

TEST(PassageChoice, TriesAnotherForWhatCouldNotBeSent) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        co_await pair.begin();
        co_await pair.alice.server.stop();
        for (const std::string method : {"GET", "POST"}) {
            EXPECT_EQ(co_await pair.call(method), std::pair(200, std::string("bob.decloud")));
        }
        co_await pair.bench.stop();
        co_await pair.bob.server.stop();
    });
}

TEST(PassageChoice, TriesAnotherForANodesOwnWordThatNothingRan) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        co_await pair.begin();
        pair.alice.answer = refusal(503);
        EXPECT_EQ(co_await pair.call_of_alice("GET"), std::pair(200, 1));
        EXPECT_EQ(co_await pair.call_of_alice("POST"), std::pair(503, 0)) << "it may have begun";
        pair.alice.answer = Played::good();
        pair.alice.answer->status = 503;
        EXPECT_EQ(co_await pair.call_of_alice("GET"), std::pair(503, 0)) << "a program's word";
        co_await pair.stop();
    });
}

TEST(PassageChoice, ForgetsNobodyForARefusalOfTheCaller) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        co_await pair.begin();
        for (const int status : {400, 402, 403, 429}) {
            pair.alice.answer = refusal(status);
            EXPECT_EQ(co_await pair.call_of_alice("GET"), std::pair(status, 0));
        }
        pair.alice.answer = Played::good();
        pair.alice.answer->status = 404;
        EXPECT_EQ(co_await pair.call_of_alice("GET"), std::pair(404, 0)) << "a program's word";
        pair.alice.answer = Played::good();
        EXPECT_EQ(co_await pair.call_of_alice("GET"), std::pair(200, 0)) << "she is still known";
        co_await pair.stop();
    });
}

TEST(PassageChoice, ForgetsWhoDoesNotRunIt) {
    const net::http::Headers not_here{{"X-Decloud-Not-Here", "?1"}};
    for (const auto& head : {refusal(404), refusal(410), refusal(403, not_here)}) {
        run_loop([&](async::Executor executor) -> async::Task<void> {
            Pair pair(executor);
            co_await pair.begin();
            pair.alice.answer = head;
            EXPECT_EQ(co_await pair.call_of_alice("POST"), std::pair(200, 1)) << head.status;
            const int before = pair.alice.calls;
            EXPECT_EQ((co_await pair.call()).second, "bob.decloud");
            EXPECT_EQ(pair.alice.calls, before) << head.status;
            co_await pair.stop();
        });
    }
}

TEST(PassageChoice, FollowsPreferencesEvenIfOnlyOneRunsIt) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        Pair pair(executor);
        co_await pair.begin();
        pair.alice.answer = refusal(404);
        EXPECT_EQ(co_await pair.call_of_alice("GET"), std::pair(200, 1));
        for (const std::string preference :
            {R"(not=("bob"))", R"(only=("alice"))", "max-price=1"}) {
            EXPECT_EQ((co_await pair.call("GET", {{"X-Decloud-Prefer", preference}})).first, 404)
                << preference;
        }
        co_await pair.stop();
    });
}

}  // namespace
}  // namespace decloud::gateway
