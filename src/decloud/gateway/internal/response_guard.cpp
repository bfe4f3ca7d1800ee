#include "response_guard.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/net/forwarding.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace decloud::gateway::internal {

namespace {

using net::http::Headers;

constexpr std::string_view kSandbox = "sandbox allow-scripts allow-forms";

bool governs_host(std::string_view name) {
    static constexpr std::array<std::string_view, 7> kNames{"Alt-Svc", "Strict-Transport-Security",
        "Clear-Site-Data", "Service-Worker-Allowed", "NEL", "Report-To", "Reporting-Endpoints"};
    return std::ranges::any_of(
        kNames, [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_under(std::string_view path, std::string_view prefix) {
    return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

void confine_cookies(Headers& headers, std::string_view shared_prefix) {
    std::vector<std::string> cookies;
    for (const std::string_view cookie : headers.all("Set-Cookie")) {
        cookies.push_back(confine_cookie(cookie, shared_prefix));
    }
    if (cookies.empty()) {
        return;
    }
    headers.remove("Set-Cookie");
    for (const std::string& cookie : cookies) {
        headers.add("Set-Cookie", cookie);
    }
}

}  // namespace

std::string confine_cookie(std::string_view cookie, std::string_view shared_prefix) {
    std::size_t end = std::min(cookie.find(';'), cookie.size());
    std::string out(cookie.substr(0, end));
    std::string_view path;
    while (end < cookie.size()) {
        cookie.remove_prefix(end + 1);
        end = std::min(cookie.find(';'), cookie.size());
        const std::string_view attribute = trim(cookie.substr(0, end));
        const std::size_t equals = std::min(attribute.find('='), attribute.size());
        const std::string_view name = trim(attribute.substr(0, equals));
        if (equals_ignoring_case(name, "Path")) {
            path = trim(attribute.substr(std::min(equals + 1, attribute.size())));
        } else if (!attribute.empty() && !equals_ignoring_case(name, "Domain")) {
            out.append("; ").append(attribute);
        }
    }
    if (!shared_prefix.empty() && !is_under(path, shared_prefix)) {
        return fmt::format("{}; Path={}/", out, shared_prefix);
    }
    return path.empty() ? out : fmt::format("{}; Path={}", out, path);
}

void guard_response(Headers& headers, std::string_view shared_prefix) {
    headers.remove_if([](const Headers::Field& field) { return governs_host(field.name); });
    confine_cookies(headers, shared_prefix);
    if (shared_prefix.empty()) {
        return;
    }
    const auto policies = headers.all("Content-Security-Policy");
    if (std::ranges::find(policies, kSandbox) == policies.end()) {
        headers.add("Content-Security-Policy", kSandbox);
    }
    headers.set("X-Content-Type-Options", "nosniff");
}

void guard_trailers(Headers& trailers) {
    static constexpr std::array<std::string_view, 9> kForbidden{"Content-Length", "Host",
        "Forwarded", "X-Real-IP", "Via", "Set-Cookie", "Expect", "Content-Encoding",
        "Content-Security-Policy"};
    net::strip_hop_by_hop(trailers);
    trailers.remove_if([](const Headers::Field& field) {
        return governs_host(field.name) ||
               equals_ignoring_case(field.name.substr(0, 12), "X-Forwarded-") ||
               std::ranges::any_of(kForbidden,
                   [&](std::string_view one) { return equals_ignoring_case(one, field.name); });
    });
}

}  // namespace decloud::gateway::internal
