#pragma once

#include <decloud/base/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::net {

/// What is spoken behind a URL: HTTP over TCP, over TLS, or over a Unix socket.
enum class Scheme { http, https, unix_socket };

/// An absolute URL that can be called: http, https, or `unix:/path/to/socket` (whose target is
/// then given with each request).
struct Url {
    Scheme scheme = Scheme::http;
    /// Lower case; an IPv6 address without its brackets; empty for a Unix socket.
    std::string host;
    /// Always set: 80 or 443 if the text has none. 0 for a Unix socket.
    std::uint16_t port = 0;
    std::string unix_path;
    /// Path and query as given, "/" if there is none. Never a fragment.
    std::string target = "/";

    /// The value of a Host header: the port only if it is not the scheme's own.
    [[nodiscard]] std::string authority() const;
    /// The whole URL as `parse_url` reads it; a Unix socket's without its target.
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const Url&, const Url&) = default;
};

/// Strict: no user information, no fragment, no white space or control characters, no empty host,
/// at most 8 KiB. Error: invalid_input.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

/// True for a registered name, an IPv4 address or a bracketed IPv6 address, each with an optional
/// port, as a Host header may have it.
[[nodiscard]] bool is_valid_authority(std::string_view text);

}  // namespace decloud::net
