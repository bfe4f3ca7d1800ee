#include "multiaddr.hpp"

#include <decloud/net/address.hpp>

#include <fmt/format.h>

#include <ranges>
#include <span>
#include <utility>
#include <vector>

namespace decloud::ipfs {

namespace {

constexpr std::size_t kMaxAddress = 512;
constexpr std::size_t kHostParts = 4;

/// As a URL has it: an IPv6 address in brackets. Nothing if it is not what `kind` says.
std::optional<std::string> url_host(std::string_view kind, std::string_view host) {
    const auto ip = net::parse_ip_address(host);
    if (kind == "ip6" && ip && ip->is_v6()) {
        return fmt::format("[{}]", host);
    }
    const bool is_right = kind == "ip4"
                              ? ip && !ip->is_v6()
                              : (kind == "dns" || kind == "dns4" || kind == "dns6") && !ip;
    return is_right ? std::optional(std::string(host)) : std::nullopt;
}

/// What is spoken at `host`.
std::optional<std::string_view> scheme_of(
    std::span<const std::string_view> parts, std::string_view host) {
    if (parts.size() >= 2 && parts[parts.size() - 2] == "p2p") {
        parts = parts.first(parts.size() - 2);
    }
    if (parts.size() == 1 && (parts[0] == "http" || parts[0] == "https")) {
        return parts[0];
    }
    const bool is_tls = parts.size() >= 2 && parts.front() == "tls" && parts.back() == "http";
    const bool has_name = parts.size() == 4 && parts[1] == "sni" && parts[2] == host;
    return is_tls && (parts.size() == 2 || has_name) ? std::optional<std::string_view>("https")
                                                     : std::nullopt;
}

}  // namespace

std::optional<std::string> multiaddr_of(const net::Url& url) {
    if (url.scheme == net::Scheme::unix_socket || url.target != "/") {
        return std::nullopt;
    }
    std::string_view host = url.host;
    // Others know by address what this machine calls so.
    if (host == "localhost") {
        host = "127.0.0.1";
    }
    const auto ip = net::parse_ip_address(host);
    const std::string_view kind = !ip ? "dns" : ip->is_v6() ? "ip6" : "ip4";
    return fmt::format("/{}/{}/tcp/{}{}/http", kind, host, url.port,
        url.scheme == net::Scheme::https ? "/tls" : "");
}

std::optional<net::Url> url_of_address(std::string_view address) {
    if (address.size() > kMaxAddress) {
        return std::nullopt;
    }
    std::string text(address);
    if (address.starts_with('/')) {
        std::vector<std::string_view> parts;
        for (const auto part : std::views::split(address.substr(1), '/')) {
            parts.emplace_back(part.begin(), part.end());
        }
        if (parts.size() <= kHostParts || parts[2] != "tcp") {
            return std::nullopt;
        }
        const auto host = url_host(parts[0], parts[1]);
        const auto scheme = scheme_of(std::span(parts).subspan(kHostParts), parts[1]);
        if (!host || !scheme) {
            return std::nullopt;
        }
        text = fmt::format("{}://{}:{}/", *scheme, *host, parts[3]);
    }
    auto url = net::parse_url(text);
    if (!url || url->scheme == net::Scheme::unix_socket || url->target != "/") {
        return std::nullopt;
    }
    return std::move(*url);
}

}  // namespace decloud::ipfs
