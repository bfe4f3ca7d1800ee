#include "json_rpc.hpp"

#include "test_support.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/net/http/server.hpp>

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace decloud::chain {
namespace {

using testing_support::run;
using testing_support::TestChain;

// An endpoint that answers whatever the test wants: what no real node would.
class ScriptedTransport final : public JsonRpcTransport {
  public:
    async::Task<Result<std::string>> post(
        std::string url, std::string, std::chrono::milliseconds) override {
        co_return answers.at(url);
    }
    async::Task<void> stop() override { co_return; }

    std::map<std::string, Result<std::string>> answers;
};

class JsonRpcTest : public testing::Test {
  protected:
    Result<json::Value> answer_to(std::string text) {
        ScriptedTransport transport;
        transport.answers.emplace("a", std::move(text));
        JsonRpc rpc(transport, {"a"});
        Result<json::Value> out;
        run(io, [](JsonRpc* asked, Result<json::Value>* into) -> async::Task<void> {
            *into = co_await asked->request("eth_chainId", {});
        }(&rpc, &out));
        return out;
    }

    std::error_code code_of(std::string message) {
        json::Object error{{"code", -32000}, {"message", message}};
        return rpc_error(error).code();
    }

    boost::asio::io_context io;
};

TEST_F(JsonRpcTest, GivesTheResult) {
    EXPECT_EQ(answer_to(R"({"jsonrpc":"2.0","id":1,"result":"0x7a69"})"), json::Value("0x7a69"));
}

TEST_F(JsonRpcTest, RefusesAnswersThatAreNone) {
    for (const char* const text : {"", "null", "[]", "{}", "<html>", R"({"id":2,"result":1})",
             R"({"id":1})", R"({"id":"1","result":1})", R"({"result":"0x1"})"}) {
        const auto answer = answer_to(text);
        ASSERT_FALSE(answer) << text;
        EXPECT_EQ(answer.error(), make_error_code(ChainError::invalid_response)) << text;
    }
}

TEST_F(JsonRpcTest, TypesTheErrorsOfKnownNodes) {
    EXPECT_EQ(code_of("nonce too low: next nonce 5, tx nonce 4"), ChainError::nonce_too_low);
    EXPECT_EQ(code_of("replacement transaction underpriced"), ChainError::underpriced);
    EXPECT_EQ(code_of("transaction underpriced"), ChainError::underpriced);
    EXPECT_EQ(
        code_of("max fee per gas less than block base fee: address 0x…"), ChainError::underpriced);
    EXPECT_EQ(
        code_of("Insufficient funds for gas * price + value"), ChainError::insufficient_funds);
    EXPECT_EQ(code_of("already known"), ChainError::already_known);
    EXPECT_EQ(code_of("transaction already imported"), ChainError::already_known);
    EXPECT_EQ(code_of("execution reverted: no"), ChainError::reverted);
    EXPECT_EQ(code_of("the method does not exist"), ChainError::rpc);
}

TEST_F(JsonRpcTest, PutsRevertReasonsIntoWords) {
    // Error("no funds")
    const json::Object error{{"code", 3}, {"message", "execution reverted"},
        {"data",
            "0x08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000"
            "00"
            "000000000000000000000000000000000000000000000000086e6f2066756e647300000000000000000000"
            "0000"
            "000000000000000000000000"}};
    EXPECT_NE(rpc_error(error).detail().find("no funds"), std::string::npos)
        << rpc_error(error).message();
}

TEST_F(JsonRpcTest, ReadsQuantities) {
    EXPECT_EQ(parse_quantity("0x0"), 0);
    EXPECT_EQ(parse_quantity("0x7a69"), 31337);
    EXPECT_EQ(
        parse_quantity("0x0000000000000000000000000000000000000000000000000000000000000001"), 1);
    EXPECT_EQ(parse_quantity("0xffffffffffffffff"), std::numeric_limits<std::uint64_t>::max());
    for (const json::Value& bad :
        {json::Value("0x10000000000000000"), json::Value("0x"), json::Value("1"), json::Value(1),
            json::Value("0xg"), json::Value(), json::Value("")}) {
        EXPECT_FALSE(parse_quantity(bad)) << bad;
    }
    EXPECT_EQ(to_quantity(0), "0x0");
    EXPECT_EQ(to_quantity(31337), "0x7a69");
    EXPECT_FALSE(parse_quantity128("0x100000000000000000000000000000000"));
    EXPECT_EQ(parse_quantity128("0xffffffffffffffffffffffffffffffff"), ~Uint128{0});
}

/// Closes the connection instead of answering its second request.
struct Forgetful {
    explicit Forgetful(async::Executor executor) : tasks(executor) {
        server = net::http::Server::listen(executor, net::parse_endpoint("127.0.0.1:0").value(), {},
            [this](net::http::Exchange exchange) -> async::Task<void> {
                if (++requests == 2) {
                    exchange.abort();
                    co_return;
                }
                const auto body = co_await exchange.read_all(10'000);
                json::Object answer = json::parse(as_text(body.value())).value().as_object();
                answer.erase("method");
                answer["result"] = "0x1";
                (void)co_await exchange.send({}, json::to_text(answer));
            }).value();
        tasks.spawn(server->run());
    }
    async::Task<void> stop() {
        co_await server->stop(std::chrono::seconds(1));
        co_await tasks.join();
    }

    int requests = 0;
    async::TaskGroup tasks;
    std::unique_ptr<net::http::Server> server;
};

TEST_F(JsonRpcTest, AsksAgainOnlyForWhatChangesNothing) {
    for (const bool reads : {true, false}) {
        run(io, [](async::Executor executor, bool read) -> async::Task<void> {
            Forgetful endpoint(executor);
            const auto transport = make_http_transport(executor);
            const std::string url = "http://" + endpoint.server->local_endpoint().to_string();
            JsonRpc rpc(*transport, {url});
            const std::string method = read ? "eth_getBalance" : "eth_sendRawTransaction";
            EXPECT_TRUE(co_await rpc.request("eth_chainId", {}));
            const auto answer = co_await rpc.request(method, {});
            EXPECT_EQ(answer.has_value(), read) << method;
            EXPECT_EQ(endpoint.requests, read ? 3 : 2) << method;
            co_await transport->stop();
            co_await endpoint.stop();
        }(io.get_executor(), reads));
    }
}

TEST_F(JsonRpcTest, SaysWhichEndpointCannotBeReached) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        const auto transport = make_http_transport(executor);
        JsonRpc rpc(*transport, {"http://127.0.0.1:1"});
        const auto answer = co_await rpc.request("eth_chainId", {});
        EXPECT_EQ(answer.error(), make_error_code(ChainError::unreachable));
        EXPECT_NE(answer.error().message().find("127.0.0.1:1"), std::string::npos);
        const auto survey = co_await rpc.survey();
        EXPECT_EQ(survey.error(), make_error_code(ChainError::unreachable));
        co_await transport->stop();
    }(io.get_executor()));
}

TEST_F(JsonRpcTest, GoesOnToTheNextEndpoint) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        JsonRpc rpc(*chain.transport, {"http://127.0.0.1:1", chain.process->url()});
        EXPECT_EQ(co_await rpc.request("eth_chainId", {}), json::Value("0x7a69"));
        EXPECT_TRUE(co_await rpc.survey());
        EXPECT_FALSE(rpc.endpoints()[0].usable);
        EXPECT_TRUE(rpc.endpoints()[1].usable);
        co_await chain.stop();
    }(io.get_executor()));
}

TEST_F(JsonRpcTest, TimesOutOnAnEndpointThatDoesNotAnswer) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        chain.freeze();
        JsonRpc rpc(
            *chain.transport, {chain.process->url()}, {.timeout = std::chrono::milliseconds(200)});
        const auto answer = co_await rpc.request("eth_chainId", {});
        EXPECT_EQ(answer.error(), make_error_code(ChainError::timeout));
        chain.thaw();
        co_await chain.stop();
    }(io.get_executor()));
}

// Three chains: two that agree because one was made from the other's state, and one of its own.
struct ThreeChains {
    TestChain first;
    TestChain twin;
    TestChain other;

    static async::Task<ThreeChains> start(async::Executor executor, std::filesystem::path state) {
        ThreeChains out;
        AnvilSettings settings = TestChain::settings();
        settings.state = state;
        out.first = co_await TestChain::start(executor, settings);
        co_await out.first.mine(10);
        co_await out.first.stop();
        out.first = co_await TestChain::start(executor, settings);
        settings.state.clear();
        settings.extra_arguments.insert(
            settings.extra_arguments.end(), {"--load-state", state.string()});
        out.twin = co_await TestChain::start(executor, settings);
        settings = TestChain::settings();
        settings.extra_arguments.insert(
            settings.extra_arguments.end(), {"--timestamp", "1700000000"});
        out.other = co_await TestChain::start(executor, settings);
        co_await out.other.mine(10);
        co_return out;
    }

    async::Task<void> stop() {
        co_await first.stop();
        co_await twin.stop();
        co_await other.stop();
    }
};

TEST_F(JsonRpcTest, DropsTheEndpointWithAnotherHash) {
    TemporaryFolder folder;
    run(io, [](async::Executor executor, std::filesystem::path state) -> async::Task<void> {
        auto chains = co_await ThreeChains::start(executor, state);
        JsonRpc rpc(*chains.first.transport,
            {chains.other.process->url(), chains.first.process->url(), chains.twin.process->url()});
        EXPECT_TRUE(co_await rpc.survey());
        EXPECT_FALSE(rpc.endpoints()[0].usable);
        EXPECT_NE(rpc.endpoints()[0].reason.find("majority"), std::string::npos);
        EXPECT_TRUE(rpc.endpoints()[1].usable);
        EXPECT_TRUE(rpc.endpoints()[2].usable);
        co_await chains.stop();
    }(io.get_executor(), folder.path() / "state.json"));
}

TEST_F(JsonRpcTest, HasNobodyLeftWhenTwoDisagree) {
    TemporaryFolder folder;
    run(io, [](async::Executor executor, std::filesystem::path state) -> async::Task<void> {
        auto chains = co_await ThreeChains::start(executor, state);
        JsonRpc rpc(
            *chains.first.transport, {chains.other.process->url(), chains.first.process->url()});
        EXPECT_EQ((co_await rpc.survey()).error(), make_error_code(ChainError::inconsistent));
        EXPECT_EQ((co_await rpc.request("eth_chainId", {})).error(),
            make_error_code(ChainError::not_ready));
        co_await chains.stop();
    }(io.get_executor(), folder.path() / "state.json"));
}

TEST_F(JsonRpcTest, DropsTheEndpointThatLagsUntilItCatchesUp) {
    TemporaryFolder folder;
    run(io, [](async::Executor executor, std::filesystem::path state) -> async::Task<void> {
        auto chains = co_await ThreeChains::start(executor, state);
        const std::vector urls{chains.twin.process->url(), chains.first.process->url()};
        JsonRpc strict(*chains.first.transport, urls, {.max_lag_time = std::chrono::seconds(0)});
        JsonRpc patient(*chains.first.transport, urls);
        EXPECT_TRUE(co_await strict.survey());
        EXPECT_TRUE(strict.endpoints()[0].usable);
        co_await chains.first.mine(3);
        EXPECT_TRUE(co_await strict.survey());
        EXPECT_FALSE(strict.endpoints()[0].usable);
        EXPECT_NE(strict.endpoints()[0].reason.find("behind"), std::string::npos);
        EXPECT_TRUE(co_await patient.survey());
        EXPECT_TRUE(patient.endpoints()[0].usable);
        co_await chains.twin.mine(1);
        EXPECT_TRUE(co_await strict.survey());
        EXPECT_TRUE(strict.endpoints()[0].usable);
        co_await chains.stop();
    }(io.get_executor(), folder.path() / "state.json"));
}

TEST_F(JsonRpcTest, RefusesAnotherChain) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto chain = co_await TestChain::start(executor);
        JsonRpc rpc(*chain.transport, {chain.process->url()}, {.chain_id = 1});
        const auto survey = co_await rpc.survey();
        EXPECT_EQ(survey.error(), make_error_code(ChainError::inconsistent));
        EXPECT_NE(survey.error().message().find("31337"), std::string::npos);
        co_await chain.stop();
    }(io.get_executor()));
}

}  // namespace
}  // namespace decloud::chain
