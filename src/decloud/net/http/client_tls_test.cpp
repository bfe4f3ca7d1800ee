#include "../error.hpp"
#include "../testing/test_certificate.hpp"
#include "../testing/test_loop.hpp"
#include "client.hpp"

#include <boost/asio/ssl.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace decloud::net::http {
namespace {

namespace asio = boost::asio;
using testing::Certificate;
using testing::run_loop;

/// Serves one request on each of `connections` connections; says how many heads it has seen.
async::Task<void> serve_tls(std::shared_ptr<asio::ip::tcp::acceptor> acceptor,
    std::shared_ptr<asio::ssl::context> context,
    int connections,
    std::shared_ptr<int> heads) {
    for (int served = 0; served < connections; ++served) {
        boost::system::error_code error;
        asio::ssl::stream<asio::ip::tcp::socket> stream(
            co_await acceptor->async_accept(asio::use_awaitable), *context);
        const auto token = [&] { return asio::redirect_error(asio::use_awaitable, error); };
        co_await stream.async_handshake(asio::ssl::stream_base::server, token());
        std::string request;
        std::array<char, 1000> buffer{};
        while (!error && request.find("\r\n\r\n") == std::string::npos) {
            const std::size_t got = co_await stream.async_read_some(asio::buffer(buffer), token());
            request.append(buffer.data(), got);
        }
        if (error) {
            continue;
        }
        ++*heads;
        const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
        co_await asio::async_write(stream, asio::buffer(answer), token());
    }
}

TEST(HttpClient, VerifiesCertificateAndHostName) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        const Certificate certificate;
        auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
        SSL_CTX_use_certificate(context->native_handle(), certificate.certificate.get());
        SSL_CTX_use_PrivateKey(context->native_handle(), certificate.key.get());
        auto acceptor = std::make_shared<asio::ip::tcp::acceptor>(
            executor, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        const std::string port = ":" + std::to_string(acceptor->local_endpoint().port()) + "/";
        auto heads = std::make_shared<int>(0);
        async::TaskGroup group(executor);
        group.spawn(serve_tls(acceptor, context, 3, heads));

        ClientSettings trusting;
        trusting.ca_file = certificate.path;
        Client client(executor, trusting, OutboundPolicy::trusted());
        Client stranger(executor, {}, OutboundPolicy::trusted());
        const Url named = parse_url("https://localhost" + port).value();
        const Url numbered = parse_url("https://127.0.0.1" + port).value();

        EXPECT_EQ((co_await stranger.request(named, {})).error().code(), NetError::tls_failed);
        EXPECT_EQ((co_await client.request(numbered, {})).error().code(), NetError::tls_failed);
        EXPECT_EQ(*heads, 0);
        auto response = co_await client.request(named, {});
        EXPECT_TRUE(response.has_value());
        const auto body = co_await response->read_all(100);
        EXPECT_EQ(as_text(body.value()), "secret");
        EXPECT_EQ(*heads, 1);
        co_await client.stop();
        co_await group.join();
    });
}

TEST(HttpClient, RefusesAMissingCertificateFile) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ClientSettings settings;
        settings.ca_file = "/nonexistent/decloud.pem";
        Client client(executor, settings, OutboundPolicy::trusted());
        EXPECT_EQ(
            (co_await client.request(parse_url("https://127.0.0.1:1/").value(), {})).error().code(),
            NetError::tls_failed);
    });
}

}  // namespace
}  // namespace decloud::net::http
