#include "server.hpp"

#include "../error.hpp"
#include "../testing/test_loop.hpp"

#include <decloud/async/event.hpp>
#include <decloud/base/units.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace decloud::net::http {
namespace {

using testing::RawClient;
using testing::run_loop;
using testing::talk;
using testing::TestServer;
using namespace std::chrono_literals;

async::Task<void> echo(Exchange exchange) {
    auto body = co_await exchange.read_all(10 * kMiB);
    if (!body) {
        (void)co_await exchange.send({413, {}, {}}, std::string());
        co_return;
    }
    std::string text = exchange.request().method + " " + exchange.request().target + " ";
    text.append(as_text(*body));
    (void)co_await exchange.send({}, std::move(text));
}

std::string body_of(std::string_view answer) {
    return std::string(answer.substr(std::min(answer.find("\r\n\r\n"), answer.size() - 4) + 4));
}

TEST(HttpServer, TraceIsRefusedWithTheMethodsThatAreServed) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string answer = co_await talk(
            executor, server.port(), "TRACE /1 HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << answer;
        EXPECT_NE(answer.find("\r\nAllow: GET, HEAD, "), std::string::npos) << answer;
        EXPECT_EQ(answer.find("secret"), std::string::npos);
        co_await server.stop();
    });
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string answers = co_await talk(executor, server.port(),
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
            "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nde\r\n1;x=\"y\"\r\nf\r\n0\r\nT: u\r\n\r\n"
            "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            "GET /5 HTTP/1.1\r\nHost: a\r\n\r\n");
        const std::size_t first = answers.find("GET /1 ");
        const std::size_t second = answers.find("POST /2 abc");
        const std::size_t third = answers.find("POST /3 def");
        const std::size_t fourth = answers.find("GET /4 ");
        EXPECT_LT(first, second);
        EXPECT_LT(second, third);
        EXPECT_LT(third, fourth);
        EXPECT_NE(fourth, std::string::npos);
        EXPECT_EQ(answers.find("/5"), std::string::npos);
        co_await server.stop();
    });
}

TEST(HttpServer, SpeaksHttp10) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(co_await exchange.start({}));
            EXPECT_TRUE(co_await exchange.write(as_bytes("streamed")));
            EXPECT_TRUE(co_await exchange.finish());
        });
        const std::string answer = co_await talk(executor, server.port(), "GET / HTTP/1.0\r\n\r\n");
        EXPECT_EQ(body_of(answer), "streamed");
        EXPECT_EQ(answer.find("chunked"), std::string::npos);
        co_await server.stop();
    });
}

TEST(HttpServer, SendsNoBodyForHead) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const std::string answer = co_await talk(
            executor, server.port(), "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        EXPECT_NE(answer.find("Content-Length: 8\r\n"), std::string::npos) << answer;
        EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
        co_await server.stop();
    });
}

TEST(HttpServer, StreamsChunksAndTrailersInOnePiece) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            const auto body = co_await exchange.read_all(100);
            EXPECT_TRUE(body.has_value());
            const std::string trailer(exchange.trailers().find("x-sum").value_or("none"));
            EXPECT_TRUE(co_await exchange.start({200, {}, {{"Trailer", "X-Back"}}}));
            EXPECT_TRUE(co_await exchange.write(as_bytes("ab")));
            EXPECT_TRUE(co_await exchange.write(as_bytes("cdefghijklmnopq")));
            EXPECT_TRUE(co_await exchange.finish({{"X-Back", trailer}}));
        });
        const std::string answer = co_await talk(executor, server.port(),
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            "1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n");
        EXPECT_EQ(body_of(answer), "2\r\nab\r\nf\r\ncdefghijklmnopq\r\n0\r\nX-Back: 7\r\n\r\n");
        co_await server.stop();
    });
}

TEST(HttpServer, AnswersContinueOnlyWhenTheBodyIsRead) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event admitted(executor);
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            EXPECT_TRUE(exchange.expects_continue());
            EXPECT_TRUE(co_await admitted.wait(5s));
            co_await echo(std::move(exchange));
        });
        RawClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(
            "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            "Content-Length: 2\r\n\r\n");
        EXPECT_EQ(client.socket.available(), 0U);
        admitted.set();
        EXPECT_EQ(co_await client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        co_await client.send("ok");
        EXPECT_TRUE((co_await client.read_until("POST /x ok")).starts_with("HTTP/1.1 200 OK"));
        client.socket.close();
        co_await server.stop();
    });
}

TEST(HttpServer, AnswersWithoutContinueAndCloses) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            (void)co_await exchange.send({402, {}, {}}, std::string("pay"));
        });
        const std::string answer = co_await talk(executor, server.port(),
            "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 402 ")) << answer;
        EXPECT_NE(answer.find("Connection: close"), std::string::npos);
        co_await server.stop();
    });
}

TEST(HttpServer, HoldsAHandlerWhoseClientDoesNotRead) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        std::size_t written = 0;
        async::Event ended(executor);
        ServerSettings settings;
        settings.write_timeout = 300ms;
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                const Bytes part(64 * kKiB, 'x');
                EXPECT_TRUE(co_await exchange.start({}));
                Result<void> result;
                while (written < 64 * kMiB && result) {
                    result = co_await exchange.write(part);
                    written += result ? part.size() : 0;
                }
                EXPECT_FALSE(result);
                EXPECT_EQ(result.error().code(), CommonError::timeout);
                ended.set();
            },
            settings);
        RawClient client(executor);
        co_await client.connect(server.port());
        co_await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(co_await ended.wait(20s));
        // Only what the two socket buffers hold.
        EXPECT_LT(written, 16 * kMiB);
        (void)co_await client.read_to_end();
        EXPECT_TRUE(client.reset);
        co_await server.stop();
    });
}

TEST(HttpServer, SeesAHangUpWhileNobodyReads) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event started(executor);
        async::Event gone(executor);
        async::Event answered(executor);
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            const auto token = exchange.hang_up();
            const auto registration = token.on_cancel([&] { gone.set(); });
            started.set();
            EXPECT_TRUE(co_await gone.wait(5s));
            EXPECT_TRUE(token.cancelled());
            answered.set();
        });
        RawClient client(executor);
        co_await client.connect(server.port());
        co_await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
        EXPECT_TRUE(co_await started.wait(5s));
        EXPECT_FALSE(gone.is_set());
        client.socket.close();
        EXPECT_TRUE(co_await answered.wait(5s));
        co_await server.stop();
    });
}

TEST(HttpServer, RefusesTooLargeHeadsAndTargets) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        std::string answer = co_await talk(executor, server.port(),
            "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(64 * kKiB, 'x') + "\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
        answer = co_await talk(executor, server.port(),
            "GET /" + std::string(20 * kKiB, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 414 ")) << answer;
        std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (int index = 0; index < 300; ++index) {
            many += "X: y\r\n";
        }
        answer = co_await talk(executor, server.port(), many + "\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
        co_await server.stop();
    });
}

TEST(HttpServer, EndsSlowHeadsBodiesAndIdleConnections) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.header_timeout = settings.body_timeout = settings.idle_timeout = 80ms;
        std::error_code body_error;
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                const auto body = co_await exchange.read_all(100);
                body_error = body ? std::error_code{} : body.error().code();
                (void)co_await exchange.send({408, {}, {}}, std::string());
            },
            settings);
        EXPECT_TRUE(
            (co_await talk(executor, server.port(), "GET / HT")).starts_with("HTTP/1.1 408 "));
        EXPECT_EQ(co_await talk(executor, server.port(), ""), "");
        EXPECT_TRUE((co_await talk(executor, server.port(),
                         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx"))
                .starts_with("HTTP/1.1 408 "));
        EXPECT_EQ(body_error, CommonError::timeout);
        co_await server.stop();
    });
}

TEST(HttpServer, TurnsAFailedHandlerIntoAnAnswerOrACut) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            if (exchange.request().target == "/throw") {
                throw std::runtime_error("a bug of the test");
            }
            if (exchange.request().target == "/cut") {
                EXPECT_TRUE(co_await exchange.start({200, {}, {{"Content-Length", "9"}}}));
                EXPECT_TRUE(co_await exchange.write(as_bytes("part")));
            }
        });
        EXPECT_TRUE(
            (co_await talk(executor, server.port(), "GET /throw HTTP/1.1\r\nHost: a\r\n\r\n"))
                .starts_with("HTTP/1.1 500 "));
        EXPECT_TRUE(
            (co_await talk(executor, server.port(), "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"))
                .starts_with("HTTP/1.1 500 "));
        RawClient client(executor);
        co_await client.connect(server.port());
        co_await client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)co_await client.read_to_end();
        EXPECT_TRUE(client.reset);
        co_await server.stop();
    });
}

TEST(HttpServer, LetsAClientReadTheRefusalOfALargeBody) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            EXPECT_EQ(
                (co_await exchange.read_all(1000)).error().code(), CommonError::limit_exceeded);
            (void)co_await exchange.send({413, {}, {}}, std::string("too large"));
        });
        const std::string answer = co_await talk(executor, server.port(),
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" +
                std::string(900000, 'x'));
        EXPECT_TRUE(answer.ends_with("too large")) << answer;
        co_await server.stop();
    });
}

TEST(HttpServer, RefusesToSendWhatWouldBreakTheMessage) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            ResponseHead split{200, {}, {{"X", "a\r\nY: b"}}};
            EXPECT_EQ((co_await exchange.send(std::move(split), std::string())).error().code(),
                CommonError::invalid_input);
            EXPECT_FALSE(exchange.answered());
            EXPECT_TRUE(co_await exchange.start({200, {}, {{"Content-Length", "2"}}}));
            EXPECT_EQ(
                (co_await exchange.write(as_bytes("abc"))).error().code(), NetError::wrong_state);
            EXPECT_EQ(
                (co_await exchange.send({}, std::string())).error().code(), NetError::wrong_state);
            EXPECT_TRUE(co_await exchange.write(as_bytes("ab")));
            EXPECT_TRUE(co_await exchange.finish());
        });
        const std::string answer = co_await talk(
            executor, server.port(), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        EXPECT_EQ(body_of(answer), "ab");
        co_await server.stop();
    });
}

TEST(HttpServer, GivesTheBytesOfAnUpgradedConnection) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, [](Exchange exchange) -> async::Task<void> {
            auto stream = co_await exchange.upgrade({101, {}, {{"Upgrade", "echo"}}});
            EXPECT_TRUE(stream.has_value());
            Bytes buffer(100);
            for (;;) {
                const auto got = co_await (*stream)->read(buffer);
                if (!got || *got == 0) {
                    break;
                }
                EXPECT_TRUE(co_await (*stream)->write(BytesView(buffer).first(*got)));
            }
        });
        RawClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly");
        EXPECT_TRUE((co_await client.read_until("early")).starts_with("HTTP/1.1 101 "));
        co_await client.send("late");
        EXPECT_EQ(co_await client.read_until("late"), "late");
        client.socket.shutdown(boost::asio::ip::tcp::socket::shutdown_send);
        EXPECT_EQ(co_await client.read_to_end(), "");
        co_await server.stop();
    });
}

TEST(HttpServer, StopsGracefullyAndThenFirmly) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        async::Event running(executor);
        async::Event released(executor);
        auto handler = [&](Exchange exchange) -> async::Task<void> {
            running.set();
            const auto token = exchange.hang_up();
            const auto registration = token.on_cancel([&] { released.set(); });
            EXPECT_TRUE(co_await released.wait(10s));
            (void)co_await exchange.send({}, std::string("done"));
        };
        async::TaskGroup beside(executor);
        auto graceful = std::make_unique<TestServer>(executor, handler);
        RawClient idle(executor);
        co_await idle.connect(graceful->port());
        RawClient busy(executor);
        co_await busy.connect(graceful->port());
        co_await busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(co_await running.wait(5s));
        beside.spawn(graceful->stop(10s));
        EXPECT_EQ(co_await idle.read_to_end(), "");
        EXPECT_FALSE(released.is_set());
        released.set();
        EXPECT_TRUE((co_await busy.read_to_end()).ends_with("done"));
        co_await beside.join();

        running.reset();
        released.reset();
        TestServer firm(executor, handler);
        RawClient cut(executor);
        co_await cut.connect(firm.port());
        co_await cut.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(co_await running.wait(5s));
        co_await firm.stop(10ms);
        EXPECT_TRUE(released.is_set());
        (void)co_await cut.read_to_end();
        EXPECT_TRUE(cut.reset);
    });
}

TEST(HttpServer, NamesThePortThatIsInUse) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, echo);
        const auto second =
            Server::listen(executor, server.server().local_endpoint(), ServerSettings{}, echo);
        EXPECT_FALSE(second.has_value());
        EXPECT_EQ(second.error().code(), NetError::address_in_use);
        EXPECT_NE(second.error().detail().find(std::to_string(server.port())), std::string::npos);
        co_await server.stop();
    });
}

TEST(HttpServer, MakesAPrivateUnixSocketAndReplacesAStaleOne) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const std::string path = "/tmp/decloud-net-test-" + std::to_string(::getpid()) + ".socket";
        const Endpoint endpoint{{}, 0, path};
        {
            // Bound, never unlinked: what a killed node leaves behind.
            boost::asio::local::stream_protocol::acceptor stale(
                executor, boost::asio::local::stream_protocol::endpoint(path));
        }
        TestServer server(executor, echo, {}, endpoint);
        struct stat status{};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
        EXPECT_EQ(Server::listen(executor, endpoint, ServerSettings{}, echo).error().code(),
            NetError::address_in_use);
        co_await server.stop();
    });
}

TEST(HttpServer, WaitsWithAcceptingWhenFull) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.max_connections = 1;
        TestServer server(executor, echo, settings);
        RawClient first(executor);
        co_await first.connect(server.port());
        co_await first.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_NE((co_await first.read_until("GET /1 ")).size(), 0U);
        RawClient second(executor);
        co_await second.connect(server.port());
        co_await second.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
        co_await first.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_NE((co_await first.read_until("GET /3 ")).size(), 0U);
        EXPECT_EQ(server.server().connections(), 1U);
        EXPECT_EQ(second.socket.available(), 0U);
        first.socket.close();
        EXPECT_NE((co_await second.read_until("GET /2 ")).size(), 0U);
        second.socket.close();
        co_await server.stop();
    });
}

TEST(HttpServer, ServesNobodyWhoseAddressCannotBeKnownAnyMore) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        int handled = 0;
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            ++handled;
            EXPECT_NE(exchange.peer().port, 0);
            (void)co_await exchange.send({}, "ok");
        });
        // All of it before the server accepts; the request would still be read.
        const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        boost::asio::ip::tcp::socket gone(executor);
        gone.connect({boost::asio::ip::address_v4::loopback(), server.port()});
        boost::asio::write(gone, boost::asio::buffer(request));
        gone.set_option(boost::asio::socket_base::linger(true, 0));
        gone.close();
        EXPECT_NE((co_await testing::talk(executor, server.port(),
                       "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
                      .find("ok"),
            std::string::npos);
        EXPECT_EQ(handled, 1);
        co_await server.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
