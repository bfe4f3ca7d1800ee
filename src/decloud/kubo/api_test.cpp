#include "api.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/net/testing/test_loop.hpp>

#include <gtest/gtest.h>

#include <functional>

// Of a Kubo that is away or does what none should; tests/interop/kubo has a real one.

namespace decloud::kubo {
namespace {

using namespace std::chrono_literals;
using net::http::Exchange;
using net::http::ResponseHead;

Block block_of(std::string_view text) {
    return {.cid = Cid::of(multiformats::Codec::raw, as_bytes(text)), .data = to_bytes(text)};
}

/// Runs `body` beside a server that answers by `handler`.
void with_server(net::http::Handler handler, std::function<void(ApiSettings)> body) {
    net::testing::run_loop([&](async::Executor executor) -> async::Task<void> {
        net::testing::TestServer server(executor, handler);
        boost::asio::thread_pool pool(1);
        ApiSettings settings;
        settings.url = net::parse_url(server.url()).value();
        const bool ended = co_await async::offload(pool, [&] {
            body(settings);
            return true;
        });
        EXPECT_TRUE(ended);
        co_await server.stop();
        pool.join();
    });
}

async::Task<void> answer(Exchange exchange, int status, std::string body) {
    ResponseHead head;
    head.status = status;
    (void)co_await exchange.send(std::move(head), std::move(body));
}

net::http::Handler always(int status, std::string body) {
    return [=](Exchange exchange) { return answer(std::move(exchange), status, body); };
}

TEST(KuboApi, SaysWhatToDoWhereNobodyListens) {
    ApiSettings settings;
    // Nobody may listen there: it is the discard port.
    settings.url = net::parse_url("http://127.0.0.1:9").value();
    Api api(settings);
    const auto version = api.version();
    ASSERT_FALSE(version);
    EXPECT_EQ(version.error().code(), CommonError::unavailable);
    EXPECT_NE(version.error().detail().find("ipfs daemon"), std::string::npos);
    EXPECT_NE(version.error().detail().find("kubo_api"), std::string::npos);
}

TEST(KuboApi, TakesNoBlockThatItsCidDoesNotName) {
    with_server(always(200, "something else"), [](ApiSettings settings) {
        Api api(settings);
        const Block block = block_of("what was asked for");
        const auto got = api.get(block.cid);
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error().code(), CommonError::corrupt);
        EXPECT_NE(got.error().detail().find(block.cid.to_string()), std::string::npos);
    });
}

TEST(KuboApi, ReadsNoMoreThanABlock) {
    with_server(
        always(200, std::string(multiformats::kMaxBlock + 1, 'x')), [](ApiSettings settings) {
            Api api(settings);
            EXPECT_EQ(api.get(block_of("small").cid).error().code(), CommonError::corrupt);
            EXPECT_EQ(api.version().error().code(), CommonError::limit_exceeded);
        });
}

TEST(KuboApi, CountsOnNothingThatWasNotAcknowledged) {
    with_server(always(200, "{\"Stats\":{\"BlockCount\":1,\"BlockBytesCount\":1}}\n"),
        [](ApiSettings settings) {
            Api api(settings);
            const std::vector<Block> blocks{block_of("a"), block_of("b")};
            EXPECT_TRUE(api.put({blocks.data(), 1}));
            EXPECT_EQ(api.put(blocks).error().code(), CommonError::io);
        });
    with_server(always(200, ""), [](ApiSettings settings) {
        Api api(settings);
        const Block block = block_of("a");
        EXPECT_FALSE(api.put({&block, 1}));
    });
}

TEST(KuboApi, TellsWhatKuboRefuses) {
    with_server(always(500, R"({"Message":"the repository is full","Code":0,"Type":"error"})"),
        [](ApiSettings settings) {
            Api api(settings);
            const Block block = block_of("a");
            const auto put = api.put({&block, 1});
            ASSERT_FALSE(put);
            EXPECT_EQ(put.error().code(), CommonError::io);
            EXPECT_NE(put.error().detail().find("the repository is full"), std::string::npos);
        });
}

TEST(KuboApi, KnowsAnAnswerThatIsNotKubos) {
    with_server(always(404, "not found"), [](ApiSettings settings) {
        Api api(settings);
        const auto version = api.version();
        ASSERT_FALSE(version);
        EXPECT_EQ(version.error().code(), CommonError::invalid_input);
        EXPECT_NE(version.error().detail().find("kubo_api"), std::string::npos);
        EXPECT_NE(version.error().detail().find("version 404"), std::string::npos);
    });
}

TEST(KuboApi, BringsItsSecretAndNeverTellsIt) {
    std::vector<std::string> brought;
    const auto handler = [&brought](Exchange exchange) {
        const auto header = exchange.request().headers.find("Authorization");
        brought.emplace_back(header.value_or(""));
        const bool good = header == "Bearer hush";
        return answer(std::move(exchange), good ? 200 : 403,
            good ? R"({"Version":"0.42.0"})" : "403 - Access Denied");
    };
    with_server(handler, [](ApiSettings settings) {
        settings.authorization = authorization_of("bearer:hush\n").value();
        EXPECT_EQ(Api(settings).version(), "0.42.0");
        settings.authorization = authorization_of("basic:me:wrong").value();
        const auto refused = Api(settings).version();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), CommonError::permission_denied);
        EXPECT_EQ(refused.error().message().find("wrong"), std::string::npos);
        EXPECT_NE(refused.error().message().find("kubo_secret_file"), std::string::npos);
    });
    EXPECT_EQ(brought, (std::vector<std::string>{"Bearer hush", "Basic bWU6d3Jvbmc="}));
    for (const char* const wrong :
        {"", "hush", "bearer:", "basic:me", "bearer:a b", "token:hush"}) {
        const auto authorization = authorization_of(wrong);
        ASSERT_FALSE(authorization) << wrong;
        EXPECT_EQ(authorization.error().message().find("hush"), std::string::npos);
    }
}

TEST(KuboApi, WaitsForNobodyWhileKuboHangsAndGoesOnWhenItAnswersAgain) {
    std::atomic<bool> hangs = true;
    const auto handler = [&hangs](Exchange exchange) -> async::Task<void> {
        while (hangs) {
            co_await async::delay(10ms);
        }
        co_await answer(std::move(exchange), 200, R"({"Version":"0.42.0"})");
    };
    with_server(handler, [&hangs](ApiSettings settings) {
        settings.answer_time = 100ms;
        settings.retry_time = 50ms;
        Api api(settings);
        EXPECT_EQ(api.version().error().code(), CommonError::unavailable);
        EXPECT_EQ(api.version().error().code(), CommonError::unavailable);
        hangs = false;
        while (!api.version()) {
            std::this_thread::yield();
        }
    });
}

TEST(KuboApi, EndsWhatIsUnderWay) {
    std::atomic<bool> asked = false;
    std::atomic<bool> ended = false;
    const auto handler = [&asked, &ended](Exchange exchange) -> async::Task<void> {
        asked = true;
        while (!ended) {
            co_await async::delay(1ms);
        }
        co_await answer(std::move(exchange), 200, R"({"Version":"0.42.0"})");
    };
    net::testing::run_loop([&](async::Executor executor) -> async::Task<void> {
        net::testing::TestServer server(executor, handler);
        ApiSettings settings;
        settings.url = net::parse_url(server.url()).value();
        boost::asio::thread_pool pool(1);
        Api api(settings);
        boost::asio::post(pool, [&] {
            EXPECT_FALSE(api.version());
            ended = true;
        });
        while (!asked) {
            co_await async::delay(1ms);
        }
        api.stop();
        while (!ended) {
            co_await async::delay(1ms);
        }
        EXPECT_EQ(api.version().error().code(), CommonError::cancelled);
        co_await server.stop(0ms);
        pool.join();
    });
}

}  // namespace
}  // namespace decloud::kubo
