#include "../error.hpp"
#include "../testing/test_loop.hpp"
#include "client.hpp"

#include <boost/asio/ssl.hpp>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

namespace decloud::net::http {
namespace {

namespace asio = boost::asio;
using testing::run_loop;

/// A certificate for "localhost" that signs itself, in a file while this lives.
class Certificate {
  public:
    Certificate()
        : path("/tmp/decloud-net-tls-" + std::to_string(::getpid()) + ".pem"),
          key(EVP_EC_gen("P-256"), EVP_PKEY_free),
          certificate(X509_new(), X509_free) {
        X509* x509 = certificate.get();
        X509_set_version(x509, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
        X509_gmtime_adj(X509_getm_notBefore(x509), -60);
        X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
        X509_set_pubkey(x509, key.get());
        X509_NAME* name = X509_get_subject_name(x509);
        X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
        X509_set_issuer_name(x509, name);
        X509_EXTENSION* names =
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
        X509_add_ext(x509, names, -1);
        X509_EXTENSION_free(names);
        X509_sign(x509, key.get(), EVP_sha256());
        std::FILE* file = std::fopen(path.c_str(), "w");
        PEM_write_X509(file, x509);
        (void)std::fclose(file);
    }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;
    ~Certificate() { ::unlink(path.c_str()); }

    std::string path;
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key;
    std::unique_ptr<X509, decltype(&X509_free)> certificate;
};

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
