#include "alias_origin.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace decloud::gateway::internal {

namespace {

using net::http::Headers;

constexpr std::string_view kSandbox = "sandbox allow-scripts allow-forms";
constexpr std::string_view kPath = "; Path=";

/// What is left of a path without the prefix; nothing if it is not under it.
std::optional<std::string> without(std::string_view path, std::string_view prefix) {
    if (!path.starts_with(prefix)) {
        return std::nullopt;
    }
    path.remove_prefix(prefix.size());
    if (path.empty() || path.front() == '?' || path.front() == '#') {
        return "/" + std::string(path);
    }
    return path.front() == '/' ? std::optional(std::string(path)) : std::nullopt;
}

void replace_all(Headers& headers, std::string_view name, const std::vector<std::string>& values) {
    headers.remove(name);
    for (const std::string& value : values) {
        headers.add(name, value);
    }
}

}  // namespace

void give_origin(Headers& headers, std::string_view prefix) {
    std::vector<std::string> cookies;
    for (const std::string_view cookie : headers.all("Set-Cookie")) {
        std::string out(cookie);
        // The provider has put it at the end, once.
        if (const std::size_t at = out.rfind(kPath); at != std::string::npos) {
            if (const auto path = without(out.substr(at + kPath.size()), prefix)) {
                out.replace(at + kPath.size(), std::string::npos, *path);
            }
        }
        cookies.push_back(std::move(out));
    }
    replace_all(headers, "Set-Cookie", cookies);
    std::vector<std::string> policies;
    for (const std::string_view policy : headers.all("Content-Security-Policy")) {
        policies.emplace_back(policy);
    }
    // What the program itself said comes first.
    if (const auto last = std::ranges::find(policies.rbegin(), policies.rend(), kSandbox);
        last != policies.rend()) {
        policies.erase(std::next(last).base());
    }
    replace_all(headers, "Content-Security-Policy", policies);
    if (const auto location = headers.find("Location")) {
        if (const auto path = without(*location, prefix)) {
            headers.set("Location", *path);
        }
    }
}

}  // namespace decloud::gateway::internal
