#include "proxy_tunnel.hpp"

#include "../error.hpp"
#include "../http/parser.hpp"
#include "serialize.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include <array>
#include <utility>

namespace decloud::net::internal {

namespace {

namespace asio = boost::asio;

constexpr int kProxyAuthenticationRequired = 407;

std::string host_and_port(const Url& url) {
    const bool is_v6 = url.host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", url.host, is_v6 ? "]" : "", url.port);
}

std::string connect_head(const http::Proxy& proxy, const Url& url) {
    const std::string authority = host_and_port(url);
    std::string head = "CONNECT " + authority + " HTTP/1.1\r\n";
    http::internal::append_field(head, "Host", authority);
    if (!proxy.authorization.empty()) {
        http::internal::append_field(head, "Proxy-Authorization", proxy.authorization);
    }
    return head + "\r\n";
}

Result<void> judge(int status, const http::Proxy& proxy, const Url& url) {
    if (status >= 200 && status < 300) {
        return {};
    }
    std::string text = fmt::format("the proxy {} does not lead to {}: HTTP {} {}",
        proxy.url.authority(), host_and_port(url), status, http::reason_phrase(status));
    if (status == kProxyAuthenticationRequired) {
        text += "; write the proxy as http://USER:PASSWORD@HOST:PORT";
    }
    return fail(NetError::connect_failed, std::move(text));
}

}  // namespace

async::Task<Result<Socket>> open_proxy_tunnel(Socket socket, http::Proxy proxy, Url url) {
    const std::string head = connect_head(proxy, url);
    boost::system::error_code error;
    co_await asio::async_write(
        socket, asio::buffer(head), asio::redirect_error(asio::use_awaitable, error));
    http::ResponseParser parser(http::Limits{});
    // An answer to CONNECT has no body that could be read here (RFC 9110 §9.3.6).
    parser.reset(true);
    std::array<std::uint8_t, 4096> buffer{};
    while (!error) {
        const std::size_t got = co_await socket.async_read_some(
            asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
        BytesView input(buffer.data(), got);
        while (!input.empty()) {
            const http::ParseStep step = parser.next(input);
            input = input.subspan(step.consumed);
            if (step.event == http::ParseEvent::failed) {
                co_return fail(NetError::malformed_message,
                    fmt::format("the proxy {}: {}", proxy.url.authority(), parser.error().reason));
            }
            if (step.event != http::ParseEvent::head) {
                continue;
            }
            const int status = parser.head().status;
            if (status >= 100 && status < 200) {
                parser.reset(true);
                continue;
            }
            CO_TRY_VOID(judge(status, proxy, url));
            // Whoever is behind it speaks second: these would not be its bytes.
            if (!input.empty()) {
                co_return fail(NetError::malformed_message,
                    fmt::format("the proxy {} sends what nobody asked for", proxy.url.authority()));
            }
            co_return std::move(socket);
        }
    }
    co_return fail(NetError::connection_closed,
        fmt::format("the proxy {} closed without an answer", proxy.url.authority()));
}

}  // namespace decloud::net::internal
