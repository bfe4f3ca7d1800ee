#include "url.hpp"

#include "address.hpp"
#include "internal/characters.hpp"

#include <decloud/base/ascii.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <climits>

namespace decloud::net {

namespace {

constexpr std::size_t kMaxUrlBytes = 8 * 1024;
constexpr std::size_t kMaxHostBytes = 253;

struct Authority {
    std::string_view host;
    std::string_view port;
    bool bracketed = false;
};

Result<Authority> split_authority(std::string_view text) {
    Authority parts;
    std::size_t colon = std::string_view::npos;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) {
            return fail(CommonError::invalid_input, "a [ without ] in the host");
        }
        parts.bracketed = true;
        parts.host = text.substr(1, close - 1);
        if (close + 1 < text.size()) {
            colon = close + 1;
            if (text[colon] != ':') {
                return fail(CommonError::invalid_input, "text after the ] of the host");
            }
        }
    } else {
        colon = text.find(':');
        parts.host = text.substr(0, colon);
    }
    if (colon != std::string_view::npos) {
        parts.port = text.substr(colon + 1);
        if (parts.port.empty()) {
            return fail(CommonError::invalid_input, "an empty port");
        }
    }
    return parts;
}

bool is_valid_host(const Authority& parts) {
    if (parts.host.empty() || parts.host.size() > kMaxHostBytes) {
        return false;
    }
    if (parts.bracketed) {
        const auto address = parse_ip_address(parts.host);
        return address && address->is_v6();
    }
    return std::ranges::all_of(parts.host, internal::is_host_character);
}

Result<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        return fail(CommonError::invalid_input, "a port is a number from 1 to 65535");
    }
    return port;
}

Result<Url> parse_unix_url(std::string_view path) {
    if (!path.starts_with('/') || path.size() >= PATH_MAX) {
        return fail(
            CommonError::invalid_input, "unix: wants an absolute path of at most 4095 bytes");
    }
    Url url;
    url.scheme = Scheme::unix_socket;
    url.unix_path = path;
    return url;
}

std::uint16_t default_port(Scheme scheme) { return scheme == Scheme::https ? 443 : 80; }

}  // namespace

std::string Url::authority() const {
    if (scheme == Scheme::unix_socket) {
        return "localhost";
    }
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == default_port(scheme) ? name : fmt::format("{}:{}", name, port);
}

std::string Url::to_string() const {
    if (scheme == Scheme::unix_socket) {
        return "unix:" + unix_path;
    }
    return fmt::format(
        "{}://{}{}", scheme == Scheme::https ? "https" : "http", authority(), target);
}

Result<Url> parse_url(std::string_view text) {
    if (text.size() > kMaxUrlBytes) {
        return fail(CommonError::invalid_input, "a URL of more than 8 KiB");
    }
    if (!std::ranges::all_of(text, internal::is_target_character)) {
        return fail(CommonError::invalid_input, "a URL with a character that must be escaped");
    }
    if (text.starts_with("unix:")) {
        return parse_unix_url(text.substr(5));
    }
    Url url;
    if (text.starts_with("https://")) {
        url.scheme = Scheme::https;
        text.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        text.remove_prefix(7);
    } else {
        return fail(CommonError::invalid_input, "a URL begins with http://, https:// or unix:");
    }
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    TRY(const Authority parts, split_authority(text.substr(0, end)));
    if (!is_valid_host(parts)) {
        return fail(CommonError::invalid_input, "a URL without a proper host");
    }
    url.host = to_lower(parts.host);
    url.port = default_port(url.scheme);
    if (!parts.port.empty()) {
        TRY(url.port, parse_port(parts.port));
    }
    url.target = text.substr(end);
    if (!url.target.starts_with('/')) {
        url.target.insert(0, 1, '/');
    }
    return url;
}

bool is_valid_authority(std::string_view text) {
    const auto parts = split_authority(text);
    return parts && is_valid_host(*parts) && (parts->port.empty() || parse_port(parts->port));
}

}  // namespace decloud::net
