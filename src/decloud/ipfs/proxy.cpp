#include "proxy.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace decloud::ipfs {

namespace {

constexpr std::uint16_t kHttpPort = 80;

bool is_content_path(std::string_view path) {
    return path.starts_with("/ipfs/") || path.starts_with("/ipns/");
}

async::Task<void> refuse_proxied(net::http::Exchange exchange, int status, std::string reason) {
    net::http::ResponseHead head;
    head.status = status;
    head.headers.add("Content-Type", "text/plain; charset=utf-8");
    head.headers.add("Cache-Control", "no-store");
    (void)co_await exchange.send(std::move(head), std::move(reason));
}

}  // namespace

std::vector<net::Url> own_origins(const net::Endpoint& listener, std::string_view public_url) {
    std::vector<net::Url> own;
    for (const std::string& text : {"http://" + listener.to_string(), std::string(public_url)}) {
        auto url = net::parse_url(text);
        if (url && url->scheme == net::Scheme::http) {
            own.push_back(std::move(*url));
        }
    }
    return own;
}

bool ends_here(std::string_view authority,
    const std::vector<net::Url>& own,
    const std::function<bool(std::string_view)>& is_served) {
    const auto asked = net::parse_url("http://" + std::string(authority));
    if (!asked || asked->target != "/") {
        return false;
    }
    const auto is_at = [&asked](const net::Url& url) { return url.port == asked->port; };
    const auto is_own = [&](const net::Url& url) { return is_at(url) && url.host == asked->host; };
    return std::ranges::any_of(own, is_own) ||
           ((asked->port == kHttpPort || std::ranges::any_of(own, is_at)) && is_served(authority));
}

bool is_proxied(const net::http::Exchange& exchange) {
    return exchange.request().method == "CONNECT" || exchange.through_connect();
}

async::Task<void> answer_proxied(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Exchange exchange,
    const GatewayContext& context,
    std::vector<net::Url> own) {
    constexpr int kBadRequest = 400;
    constexpr int kForbidden = 403;
    const net::http::RequestHead& head = exchange.request();
    if (head.method != "CONNECT") {
        if (is_content_origin(exchange, context) || is_content_path(head.path())) {
            co_await answer_content(std::move(exchange), context);
        } else {
            co_await refuse_proxied(
                std::move(exchange), kForbidden, "only content comes through a tunnel\n");
        }
        co_return;
    }
    const bool is_ours = ends_here(head.target, own,
        [&context](std::string_view authority) { return is_content_host(authority, context); });
    if (!is_ours) {
        co_await refuse_proxied(std::move(exchange), kForbidden,
            "a tunnel leads to websites and subdomains that are served here, at port 80 or this "
            "server's, and nowhere else\n");
    } else if (const auto opened = co_await exchange.accept_connect(); !opened) {
        co_await refuse_proxied(std::move(exchange), kBadRequest, opened.error().message() + "\n");
    }
}

}  // namespace decloud::ipfs
