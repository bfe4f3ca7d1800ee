#include "transport.hpp"

#include "../error.hpp"
#include "local_address.hpp"
#include "name_lookup.hpp"
#include "proxy_tunnel.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace decloud::net::internal {

namespace asio = boost::asio;

class TlsContext {
  public:
    asio::ssl::context context{asio::ssl::context::tls_client};
};

Result<std::shared_ptr<TlsContext>> make_tls_context(std::string ca_file) {
    auto tls = std::make_shared<TlsContext>();
    boost::system::error_code error;
    tls->context.set_options(asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3 |
                                 asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
        error);
    tls->context.set_verify_mode(asio::ssl::verify_peer, error);
    tls->context.set_default_verify_paths(error);
    if (!ca_file.empty()) {
        tls->context.load_verify_file(ca_file, error);
        if (error) {
            return fail(NetError::tls_failed,
                fmt::format("cannot load certificates from {}: {}", ca_file, error.message()));
        }
    }
    return tls;
}

namespace {

class PlainTransport final : public Transport {
  public:
    explicit PlainTransport(Socket socket) : socket_(std::move(socket)) { prepare(socket_); }

    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        for (;;) {
            const ssize_t got =
                ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got >= 0) {
                co_return static_cast<std::size_t>(got);
            }
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                co_return fail(NetError::connection_closed, "the peer reset the connection");
            }
            CO_TRY_VOID(co_await wait(Socket::wait_read));
        }
    }

    async::Task<Result<void>> write(WriteParts parts) override {
        for (;;) {
            switch (try_write(socket_, parts)) {
                case WriteStatus::done:
                    co_return Result<void>{};
                case WriteStatus::failed:
                    co_return fail(NetError::connection_closed, "the peer takes no more");
                case WriteStatus::would_block:
                    break;
            }
            CO_TRY_VOID(co_await wait(Socket::wait_write));
        }
    }

    void shutdown_write() override {
        boost::system::error_code ignored;
        socket_.shutdown(Socket::shutdown_send, ignored);
    }

    void close() override {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }

    bool is_quiet() override {
        std::uint8_t byte = 0;
        return ::recv(socket_.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 &&
               (errno == EAGAIN || errno == EWOULDBLOCK);
    }

  private:
    async::Task<Result<void>> wait(Socket::wait_type kind) {
        if (!socket_.is_open()) {
            co_return fail(NetError::connection_closed);
        }
        boost::system::error_code error;
        co_await socket_.async_wait(kind, asio::redirect_error(asio::use_awaitable, error));
        if (error || !socket_.is_open()) {
            co_return fail(NetError::connection_closed);
        }
        co_return Result<void>{};
    }

    Socket socket_;
};

/// In ALPN's form (RFC 7301 §3.1): each behind its length.
constexpr auto kProtocols =
    std::to_array<unsigned char>({2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'});

class TlsTransport final : public Transport {
  public:
    TlsTransport(Socket socket, std::shared_ptr<TlsContext> tls)
        : tls_(std::move(tls)), stream_(std::move(socket), tls_->context) {
        prepare(stream_.next_layer());
    }

    async::Task<Result<void>> handshake(std::string host, bool is_address, bool offer_http2) {
        if (offer_http2 && SSL_set_alpn_protos(stream_.native_handle(), kProtocols.data(),
                               static_cast<unsigned>(kProtocols.size())) != 0) {
            co_return fail(NetError::tls_failed, "HTTP/2 cannot be offered");
        }
        if (!is_address && SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str()) != 1) {
            co_return fail(NetError::tls_failed, "the host name cannot be sent");
        }
        stream_.set_verify_callback(asio::ssl::host_name_verification(host));
        boost::system::error_code error;
        co_await stream_.async_handshake(
            asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_return fail(NetError::tls_failed, fmt::format("{}: {}", host, error.message()));
        }
        co_return Result<void>{};
    }

    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        boost::system::error_code error;
        const std::size_t got =
            co_await stream_.async_read_some(asio::buffer(buffer.data(), buffer.size()),
                asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::eof) {
            co_return std::size_t{0};
        }
        if (error) {
            co_return fail(NetError::connection_closed, error.message());
        }
        co_return got;
    }

    async::Task<Result<void>> write(WriteParts parts) override {
        // One TLS record is better than four small ones.
        Bytes joined;
        for (const BytesView part : parts.parts) {
            append(joined, part);
        }
        boost::system::error_code error;
        co_await asio::async_write(
            stream_, asio::buffer(joined), asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_return fail(NetError::connection_closed, error.message());
        }
        co_return Result<void>{};
    }

    void shutdown_write() override {
        boost::system::error_code ignored;
        stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
    }

    void close() override {
        boost::system::error_code ignored;
        stream_.next_layer().close(ignored);
    }

    bool is_quiet() override {
        std::uint8_t byte = 0;
        return SSL_pending(stream_.native_handle()) == 0 &&
               ::recv(stream_.next_layer().native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) <
                   0 &&
               (errno == EAGAIN || errno == EWOULDBLOCK);
    }

    bool speaks_http2() const override {
        const unsigned char* protocol = nullptr;
        unsigned size = 0;
        SSL* const session = const_cast<asio::ssl::stream<Socket>&>(stream_).native_handle();
        SSL_get0_alpn_selected(session, &protocol, &size);
        return as_text(BytesView(protocol, size)) == "h2";
    }

    Bytes exporter(std::string_view label) const override {
        Bytes out(32);
        SSL* const session = const_cast<asio::ssl::stream<Socket>&>(stream_).native_handle();
        if (SSL_export_keying_material(
                session, out.data(), out.size(), label.data(), label.size(), nullptr, 0, 0) != 1) {
            out.clear();
        }
        return out;
    }

  private:
    std::shared_ptr<TlsContext> tls_;
    asio::ssl::stream<Socket> stream_;
};

/// Callers connect within a limit of their own.
constexpr std::chrono::seconds kLookupLimit{60};

IpAddress to_ip(const asio::ip::address& address) {
    return address.is_v4() ? IpAddress::v4(address.to_v4().to_bytes())
                           : IpAddress::v6(address.to_v6().to_bytes());
}

async::Task<Result<std::vector<asio::ip::tcp::endpoint>>> resolve(Url url) {
    std::vector<asio::ip::tcp::endpoint> endpoints;
    boost::system::error_code error;
    if (const auto literal = asio::ip::make_address(url.host, error); !error) {
        endpoints.emplace_back(literal, url.port);
        co_return endpoints;
    }
    CO_TRY(const auto found, co_await NameLookup::system().find(url.host, kLookupLimit));
    for (const asio::ip::address& address : found) {
        endpoints.emplace_back(address, url.port);
    }
    co_return endpoints;
}

async::Task<Result<Socket>> connect_unix(async::Executor executor, std::string path) {
    const auto address = LocalAddress::of(path);
    if (!address) {
        co_return fail(
            NetError::connect_failed, fmt::format("unix:{}: {}", path, address.error().message()));
    }
    asio::local::stream_protocol::socket socket(executor);
    boost::system::error_code error;
    co_await socket.async_connect(
        address->endpoint(), asio::redirect_error(asio::use_awaitable, error));
    if (error) {
        co_return fail(NetError::connect_failed, fmt::format("unix:{}: {}", path, error.message()));
    }
    co_return Socket(std::move(socket));
}

async::Task<Result<Socket>> connect_tcp(async::Executor executor, Url url, OutboundPolicy policy) {
    CO_TRY(const auto endpoints, co_await resolve(url));
    Error last(NetError::connect_failed);
    for (const auto& endpoint : endpoints) {
        if (auto allowed = policy.check(to_ip(endpoint.address()), endpoint.port()); !allowed) {
            last = std::move(allowed.error());
            continue;
        }
        asio::ip::tcp::socket socket(executor);
        boost::system::error_code error;
        co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            co_return Socket(std::move(socket));
        }
        last = Error(NetError::connect_failed,
            fmt::format("{} port {}: {}", url.host, url.port, error.message()));
    }
    co_return fail(std::move(last));
}

}  // namespace

async::Task<Result<std::unique_ptr<Transport>>> connect(async::Executor executor,
    Url url,
    std::optional<http::Proxy> proxy,
    OutboundPolicy policy,
    std::shared_ptr<TlsContext> tls,
    bool offer_http2) {
    if (url.scheme == Scheme::unix_socket) {
        if (!policy.allow_unix) {
            co_return fail(NetError::address_forbidden, "Unix sockets are not allowed here");
        }
        CO_TRY(Socket local, co_await connect_unix(executor, url.unix_path));
        co_return std::make_unique<PlainTransport>(std::move(local));
    }
    CO_TRY(
        Socket socket, co_await connect_tcp(executor, proxy ? proxy->url : url, std::move(policy)));
    if (proxy && url.scheme == Scheme::https) {
        CO_TRY(socket, co_await open_proxy_tunnel(std::move(socket), std::move(*proxy), url));
    }
    if (url.scheme == Scheme::http) {
        co_return std::make_unique<PlainTransport>(std::move(socket));
    }
    const bool is_address = parse_ip_address(url.host).has_value();
    auto secure = std::make_unique<TlsTransport>(std::move(socket), std::move(tls));
    CO_TRY_VOID(co_await secure->handshake(url.host, is_address, offer_http2));
    co_return std::unique_ptr<Transport>(std::move(secure));
}

}  // namespace decloud::net::internal
