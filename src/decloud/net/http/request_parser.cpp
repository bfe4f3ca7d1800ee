#include "../internal/characters.hpp"
#include "../url.hpp"
#include "parser.hpp"

#include <decloud/base/ascii.hpp>

#include <algorithm>

namespace decloud::net::http {

namespace {

constexpr std::size_t kMaxMethodBytes = 32;

/// The authority of an absolute-form target; nothing if it is not http or https.
std::optional<std::string_view> absolute_authority(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (target.size() > scheme.size() &&
            equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            target.remove_prefix(scheme.size());
            return target.substr(0, target.find_first_of("/?"));
        }
    }
    return std::nullopt;
}

}  // namespace

void RequestParser::reset() {
    reset_message();
    head_.method.clear();
    head_.target.clear();
    head_.headers.clear();
    head_.http_1_0 = false;
    expects_continue_ = false;
}

bool RequestParser::on_first_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        return refuse("a request line without method, target and version");
    }
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (method.size() > kMaxMethodBytes || !is_token(method)) {
        return refuse("a bad method");
    }
    if (target.empty() || !std::ranges::all_of(target, net::internal::is_target_character)) {
        return refuse("a bad request target");
    }
    if (target.size() > limits_.max_target_bytes) {
        return refuse("the request target is too long", 414);
    }
    if (version == "HTTP/1.1" || version == "HTTP/1.0") {
        head_.http_1_0 = version.back() == '0';
    } else if (version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
               net::internal::is_digit(version[5]) && net::internal::is_digit(version[7]) &&
               version[5] >= '2') {
        return refuse("HTTP/1.1 is spoken here", 505);
    } else {
        return refuse("a bad HTTP version");
    }
    head_.method.assign(method);
    head_.target.assign(target);
    return check_target();
}

bool RequestParser::check_target() {
    if (head_.method == "CONNECT") {
        return check_connect();
    }
    // It would show a program, or whoever made a browser send it, headers that are not theirs.
    if (head_.method == "TRACE") {
        return refuse("TRACE is not served", 405);
    }
    if (head_.target == "*") {
        return head_.method == "OPTIONS" || refuse("the target * is for OPTIONS");
    }
    if (head_.target.starts_with('/')) {
        return true;
    }
    const auto authority = absolute_authority(head_.target);
    return (authority && is_valid_authority(*authority)) || refuse("a bad request target");
}

bool RequestParser::check_connect() {
    if (connect_ == ConnectRequests::refused) {
        return refuse(
            "CONNECT is not served: what passes through it is encrypted, so that nothing "
            "here could read it or pay for it",
            501);
    }
    const std::string_view target = head_.target;
    const bool has_port =
        target.find(':') != std::string_view::npos && net::internal::is_digit(target.back());
    return (has_port && is_valid_authority(target)) || refuse("CONNECT wants HOST:PORT");
}

bool RequestParser::check_host() {
    std::optional<std::string_view> host;
    for (const Headers::Field field : head_.headers) {
        if (field.name.size() == 4 && equals_ignoring_case(field.name, "Host")) {
            if (host) {
                return refuse("more than one Host");
            }
            host = field.value;
        }
    }
    if (!host) {
        return head_.http_1_0 || refuse("no Host");
    }
    if (!is_valid_authority(*host)) {
        return refuse("a bad Host");
    }
    if (head_.method == "CONNECT") {
        return equals_ignoring_case(head_.target, *host) ||
               refuse("a Host that differs from the target");
    }
    if (!head_.target.starts_with('/')) {
        const auto authority = absolute_authority(head_.target);
        if (authority && !equals_ignoring_case(*authority, *host)) {
            return refuse("a Host that differs from the target");
        }
    }
    return true;
}

bool RequestParser::on_head_complete() {
    if (!check_host() || !read_framing(head_.http_1_0)) {
        return false;
    }
    // What follows would be content to one reader, and the first request to another.
    if (head_.method == "CONNECT" &&
        (head_.headers.contains("Content-Length") || head_.headers.contains("Transfer-Encoding") ||
            head_.headers.contains("Expect"))) {
        return refuse("CONNECT has no content");
    }
    const bool close = head_.headers.has_token("Connection", "close");
    keep_alive_ =
        !close && (!head_.http_1_0 || head_.headers.has_token("Connection", "keep-alive"));
    if (const auto expect = head_.headers.find("Expect"); expect && !head_.http_1_0) {
        if (!equals_ignoring_case(*expect, "100-continue") || head_.headers.count("Expect") > 1) {
            return refuse("an Expect other than 100-continue", 417);
        }
        expects_continue_ = framing_ == internal::Framing::chunked || length_ > 0;
    }
    return true;
}

}  // namespace decloud::net::http
