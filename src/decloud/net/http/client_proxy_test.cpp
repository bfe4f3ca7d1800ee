#include "../error.hpp"
#include "../testing/test_certificate.hpp"
#include "../testing/test_loop.hpp"
#include "../tls/server_context.hpp"
#include "client.hpp"

#include <gmock/gmock.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace decloud::net::http {
namespace {

namespace asio = boost::asio;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawClient;
using testing::run_loop;
using testing::TestServer;

/// Sends what one side says to the other until either ends.
async::Task<void> copy(RawClient* from, RawClient* to) {
    std::array<char, 4096> buffer{};
    boost::system::error_code error;
    while (!error) {
        const std::size_t got = co_await from->socket.async_read_some(
            asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
        co_await to->send(std::string(buffer.data(), got));
    }
    from->close();
    to->close();
}

/// A proxy for which every name is a server on loopback; it keeps the heads that it was sent.
class EveryNameProxy {
  public:
    EveryNameProxy(async::Executor executor, std::uint16_t target, std::string answer = {})
        : executor_(executor),
          target_(target),
          answer_(std::move(answer)),
          acceptor_(executor, {asio::ip::address_v4::loopback(), 0}),
          group_(executor) {
        group_.spawn(serve());
    }
    [[nodiscard]] std::string address() const {
        return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    }
    async::Task<void> stop() {
        acceptor_.close();
        co_await group_.join();
    }
    std::vector<std::string> heads;

  private:
    async::Task<void> serve() {
        for (;;) {
            boost::system::error_code error;
            auto client = std::make_shared<RawClient>(executor_);
            co_await acceptor_.async_accept(
                client->socket, asio::redirect_error(asio::use_awaitable, error));
            if (error) {
                co_return;
            }
            group_.spawn(lead(client));
        }
    }
    async::Task<void> lead(std::shared_ptr<RawClient> client) {
        heads.push_back(co_await client->read_until("\r\n\r\n"));
        if (!answer_.empty()) {
            co_await client->send(answer_);
            client->close();
            co_return;
        }
        auto server = std::make_shared<RawClient>(executor_);
        co_await server->connect(target_);
        co_await client->send("HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n");
        async::TaskGroup both(executor_);
        both.spawn(copy(client.get(), server.get()));
        both.spawn(copy(server.get(), client.get()));
        co_await both.join();
    }

    async::Executor executor_;
    std::uint16_t target_;
    std::string answer_;
    asio::ip::tcp::acceptor acceptor_;
    async::TaskGroup group_;
};

ClientSettings through(ProxyVariables variables) {
    ClientSettings settings;
    settings.proxies = std::make_shared<ProxyRules>(std::move(variables));
    return settings;
}

async::Task<void> hello(Exchange exchange) {
    (void)co_await exchange.send({}, std::string("hello"));
}

TEST(HttpClientProxy, AsksAProxyForAnAbsoluteUrlWithItsCredentials) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        EveryNameProxy proxy(
            executor, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        Client client(executor, through({.http = "http://me:secret@" + proxy.address()}),
            OutboundPolicy::trusted());
        auto response =
            co_await client.request(parse_url("http://node.test:8402/oc/v1?a=b").value(), {});
        EXPECT_EQ(as_text((co_await response.value().read_all(100)).value()), "hello");
        const auto local = co_await client.request(parse_url("http://127.0.0.1:1/").value(), {});
        EXPECT_EQ(local.error().code(), NetError::connect_failed);
        EXPECT_THAT(proxy.heads, ElementsAre("GET http://node.test:8402/oc/v1?a=b HTTP/1.1\r\n"
                                             "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"
                                             "Host: node.test:8402\r\n\r\n"));
        co_await client.stop();
        co_await proxy.stop();
    });
}

TEST(HttpClientProxy, GoesThroughConnectToASecureServerWhoseCertificateItVerifies) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const testing::Certificate certificate;
        ServerSettings tls;
        tls.tls = TlsServerContext::load(certificate.path, certificate.key_path).value();
        TestServer server(executor, hello, tls);
        EveryNameProxy proxy(executor, server.port());
        ClientSettings settings = through({.https = "http://me:secret@" + proxy.address()});
        settings.ca_file = certificate.path;
        for (const bool http2 : {false, true}) {
            settings.http2 = http2;
            Client client(executor, settings, OutboundPolicy::trusted());
            auto response = co_await client.request(parse_url("https://node.test/").value(), {});
            EXPECT_EQ(as_text((co_await response.value().read_all(100)).value()), "hello");
            co_await client.stop();
        }
        Client client(executor, settings, OutboundPolicy::trusted());
        const auto other = co_await client.request(parse_url("https://other.test/").value(), {});
        EXPECT_EQ(other.error().code(), NetError::tls_failed);
        EXPECT_EQ(proxy.heads.size(), 3U);
        EXPECT_EQ(proxy.heads[0],
            "CONNECT node.test:443 HTTP/1.1\r\nHost: node.test:443\r\n"
            "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");
        co_await client.stop();
        co_await proxy.stop();
        co_await server.stop();
    });
}

TEST(HttpClientProxy, SaysWhatAProxyAnsweredThatDoesNotLeadThere) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        struct Case {
            std::string answer;
            NetError code;
            std::string text;
        };
        for (const Case& each : {
                 Case{"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", NetError::connect_failed,
                     "USER:PASSWORD"},
                 Case{"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", NetError::connect_failed,
                     "HTTP 403"},
                 Case{"HTTP/1.1 200 OK\r\n\r\nearly", NetError::malformed_message, "nobody asked"},
                 Case{"SSH-2.0-x\r\n\r\n", NetError::malformed_message, "the proxy"},
                 Case{"HTTP/1.1 2", NetError::connection_closed, "the proxy"},
             }) {
            EveryNameProxy proxy(executor, 0, each.answer);
            Client client(executor, through({.all = "u:hunter2@" + proxy.address()}),
                OutboundPolicy::trusted());
            const auto got = co_await client.request(parse_url("https://node.test/").value(), {});
            EXPECT_EQ(got.error().code(), each.code) << each.answer;
            EXPECT_THAT(got.error().message(), HasSubstr(each.text));
            EXPECT_THAT(got.error().message(), Not(HasSubstr("hunter2")));
            co_await client.stop();
            co_await proxy.stop();
        }
    });
}

TEST(HttpClientProxy, AProxyThatIsNoneOrNotThereIsNamed) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const Url url = parse_url("http://node.test/").value();
        Client wrong(executor, through({.http = "socks5://a.test"}), OutboundPolicy::trusted());
        EXPECT_EQ((co_await wrong.request(url, {})).error().code(), CommonError::invalid_input);
        Client absent(executor, through({.http = "127.0.0.1:1"}), OutboundPolicy::trusted());
        const auto got = co_await absent.request(url, {});
        EXPECT_EQ(got.error().code(), NetError::connect_failed);
        EXPECT_THAT(got.error().message(), HasSubstr("127.0.0.1 port 1"));
        co_await wrong.stop();
        co_await absent.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
