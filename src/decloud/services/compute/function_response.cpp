#include "function_response.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/net/forwarding.hpp>

namespace decloud::services {

namespace {

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) {
        text.remove_prefix(1);
    }
    while (text.ends_with(' ') || text.ends_with('\t')) {
        text.remove_suffix(1);
    }
    return text;
}

}  // namespace

std::string bind_cookie(std::string_view cookie, std::string_view prefix) {
    std::string out;
    bool first = true;
    while (!cookie.empty()) {
        const std::size_t end = cookie.find(';');
        const std::string_view part = trim(cookie.substr(0, end));
        cookie = end == std::string_view::npos ? std::string_view() : cookie.substr(end + 1);
        const std::string_view name = trim(part.substr(0, part.find('=')));
        const bool replaced =
            !first && (equals_ignoring_case(name, "Domain") || equals_ignoring_case(name, "Path"));
        if (!replaced && !part.empty()) {
            out += out.empty() ? "" : "; ";
            out += part;
        }
        first = false;
    }
    return out + "; Path=" + std::string(prefix);
}

net::http::ResponseHead function_response_head(
    const sandbox::CgiHead& head, std::string_view prefix) {
    net::http::ResponseHead out;
    out.status = head.status;
    out.reason = head.reason;
    for (const auto& [name, value] : head.headers) {
        if (net::is_reserved_header(name)) {
            continue;
        }
        if (equals_ignoring_case(name, "Set-Cookie")) {
            out.headers.add(name, bind_cookie(value, prefix));
        } else {
            out.headers.add(name, value);
        }
    }
    net::strip_hop_by_hop(out.headers);
    out.headers.add("Content-Security-Policy", "sandbox allow-scripts allow-forms");
    out.headers.set("X-Content-Type-Options", "nosniff");
    return out;
}

}  // namespace decloud::services
