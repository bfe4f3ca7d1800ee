#include "proxy_rules.hpp"

#include "../address.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/encoding.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace decloud::net::http {

namespace {

bool is_below(std::string_view host, std::string_view domain) {
    return host == domain || (host.size() > domain.size() && host.ends_with(domain) &&
                                 host[host.size() - domain.size() - 1] == '.');
}

bool is_local(const Url& url) {
    if (url.scheme == Scheme::unix_socket || is_below(url.host, "localhost")) {
        return true;
    }
    const auto address = parse_ip_address(url.host);
    if (!address) {
        return false;
    }
    const IpAddress plain = address->unmapped();
    return plain.is_v6() ? plain.to_string() == "::1" : plain.octets()[0] == 127;
}

/// One entry of `no_proxy`.
bool excludes(std::string_view entry, const Url& url) {
    if (entry == "*") {
        return true;
    }
    std::string_view name = entry;
    const bool has_port = !entry.ends_with(']') && !parse_ip_address(entry);
    if (const std::size_t colon = entry.rfind(':'); has_port && colon != entry.npos) {
        if (entry.substr(colon + 1) != fmt::to_string(url.port)) {
            return false;
        }
        name = entry.substr(0, colon);
    }
    if (name.starts_with('[') && name.ends_with(']')) {
        name = name.substr(1, name.size() - 2);
    }
    if (name.starts_with("*.")) {
        name.remove_prefix(1);
    }
    if (name.starts_with('.')) {
        name.remove_prefix(1);
    }
    return !name.empty() && is_below(url.host, to_lower(name));
}

bool is_excluded(std::string_view list, const Url& url) {
    constexpr std::string_view kSeparators = ", \t";
    while (!list.empty()) {
        const std::size_t end = std::min(list.find_first_of(kSeparators), list.size());
        if (end > 0 && excludes(list.substr(0, end), url)) {
            return true;
        }
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return false;
}

Result<Proxy> parse_proxy(std::string_view text) {
    constexpr std::string_view kScheme = "http://";
    if (text.find("://") != text.npos && !text.starts_with(kScheme)) {
        return fail(CommonError::invalid_input, "a proxy is reached by http://");
    }
    if (text.starts_with(kScheme)) {
        text.remove_prefix(kScheme.size());
    }
    Proxy proxy;
    const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
    if (const std::size_t at = text.substr(0, authority_end).rfind('@'); at != text.npos) {
        TRY(const std::string credentials, percent_decode(text.substr(0, at)));
        proxy.authorization = "Basic " + to_base64(as_bytes(credentials));
        text.remove_prefix(at + 1);
    }
    TRY(proxy.url, parse_url(std::string(kScheme).append(text)));
    return proxy;
}

}  // namespace

Result<std::optional<Proxy>> ProxyRules::find(const Url& url) const {
    if (is_local(url) || is_excluded(variables_.none, url)) {
        return std::nullopt;
    }
    const bool secure = url.scheme == Scheme::https;
    const std::string& own = secure ? variables_.https : variables_.http;
    const std::string& text = own.empty() ? variables_.all : own;
    if (text.empty()) {
        return std::nullopt;
    }
    auto proxy = parse_proxy(text);
    if (!proxy) {
        const std::string_view name = own.empty() ? "all_proxy"
                                      : secure    ? "https_proxy"
                                                  : "http_proxy";
        // What is wrong with the value may quote it, with a password.
        return fail(CommonError::invalid_input,
            fmt::format("{} is not the address of an HTTP proxy; write it as "
                        "http://[USER:PASSWORD@]HOST:PORT",
                name));
    }
    return std::move(*proxy);
}

}  // namespace decloud::net::http
