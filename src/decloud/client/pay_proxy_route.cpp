#include "pay_proxy_route.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/net/forwarding.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::client {

namespace {

using net::http::Headers;
using net::http::RequestHead;
using protocol::Checked;
using protocol::refuse;
using protocol::Status;

constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kProxyAuthentication = 407;
constexpr int kMisdirected = 421;
constexpr int kLoop = 508;
constexpr std::string_view kForms =
    "/{token}/p/{provider}/{cid} or /{token}/https://host/path, or http_proxy with the token as "
    "password";

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
        [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    return out;
}

bool is_own(std::string_view authority, const ProxyDoor& door) {
    return std::ranges::find(door.authorities, lower_case(authority)) != door.authorities.end();
}

/// The origin that a request is for: ours, or an absolute target's.
std::string origin_of(const RequestHead& head) {
    if (head.target.starts_with('/')) {
        return "http://" + lower_case(head.headers.find("Host").value_or(""));
    }
    const std::size_t slashes = head.target.find("//");
    const std::size_t end = slashes == std::string::npos
                                ? head.target.size()
                                : head.target.find_first_of("/?", slashes + 2);
    return lower_case(head.target.substr(0, end));
}

/// A browser says whose page made it ask; other programs say nothing.
bool is_cross_site(const RequestHead& head) {
    for (const std::string_view site : head.headers.all("Sec-Fetch-Site")) {
        if (site != "same-origin" && site != "none") {
            return true;
        }
    }
    const std::string own = origin_of(head);
    return std::ranges::any_of(head.headers.all("Origin"),
        [&](std::string_view origin) { return lower_case(origin) != own; });
}

/// What follows the scheme, at the host. Some programs make one slash of two.
std::optional<std::string> absolute_url(std::string_view path) {
    for (const std::string_view scheme : {"http:/", "https:/"}) {
        if (!path.starts_with(scheme)) {
            continue;
        }
        std::string_view rest = path.substr(scheme.size());
        if (rest.starts_with('/')) {
            rest.remove_prefix(1);
        }
        return std::string(scheme) + "/" + std::string(rest);
    }
    return std::nullopt;
}

Checked<ProxyTarget> to_provider(std::string_view rest, std::string prefix) {
    const std::size_t end = rest.find('/');
    const auto name = identity::ProviderName::parse(rest.substr(0, end));
    if (!name) {
        return refuse(kNotFound, Status::bad_request, "after /p/ comes a provider's name");
    }
    if (end == std::string_view::npos || end + 1 == rest.size()) {
        return refuse(kNotFound, Status::bad_request, "after the provider comes what is called",
            std::string(kForms));
    }
    return ProxyTarget{
        .where = ProxyTarget::ToProvider{.name = *name, .path = std::string(rest.substr(end))},
        .prefix = std::move(prefix)};
}

Checked<ProxyTarget> to_url(
    const std::string& text, std::optional<std::string> prefix, const ProxyDoor& door) {
    auto url = net::parse_url(text);
    if (!url) {
        return refuse(kNotFound, Status::bad_request, "the URL to pay for cannot be read",
            std::string(kForms));
    }
    if (url->scheme == net::Scheme::http && is_own(url->authority(), door)) {
        return refuse(kLoop, Status::bad_request, "that URL leads back to this proxy");
    }
    return ProxyTarget{
        .where = ProxyTarget::ToUrl{.url = std::move(*url)}, .prefix = std::move(prefix)};
}

Checked<ProxyTarget> base_form(const RequestHead& head, const ProxyDoor& door) {
    // A name that leads to this machine is not enough: pages of other sites can have such names.
    if (!door.authorities.empty() && !is_own(head.headers.find("Host").value_or(""), door)) {
        return refuse(kMisdirected, Status::bad_request, "this proxy has another name");
    }
    std::string_view rest = std::string_view(head.target).substr(1);
    std::string prefix;
    if (!door.token.empty()) {
        const std::string_view token = rest.substr(0, rest.find_first_of("/?"));
        if (!equal_constant_time(as_bytes(token), as_bytes(std::string_view(door.token)))) {
            return refuse(kForbidden, Status::declined,
                "the path does not begin with the token that decloud pay-proxy printed",
                std::string(kForms));
        }
        prefix = "/" + door.token;
        rest.remove_prefix(std::min(token.size() + 1, rest.size()));
    }
    if (rest.starts_with("p/")) {
        return to_provider(rest.substr(2), std::move(prefix));
    }
    if (const auto url = absolute_url(rest)) {
        return to_url(*url, std::move(prefix), door);
    }
    return refuse(kNotFound, Status::bad_request, "there is nothing to pay for at this path",
        std::string(kForms));
}

/// RFC 7617's password, or user name without one, or RFC 6750's token.
bool brings_token(const Headers& headers, const std::string& token) {
    const std::string_view field = headers.find("Proxy-Authorization").value_or("");
    const std::size_t space = field.find(' ');
    if (space == std::string_view::npos || headers.count("Proxy-Authorization") != 1) {
        return false;
    }
    const std::string_view scheme = field.substr(0, space);
    std::string given(field.substr(space + 1));
    if (equals_ignoring_case(scheme, "Basic")) {
        const auto decoded = from_base64(given);
        if (!decoded) {
            return false;
        }
        given = std::string(as_text(*decoded));
        const std::size_t colon = given.find(':');
        const bool has_password = colon != std::string::npos && colon + 1 < given.size();
        given = has_password ? given.substr(colon + 1) : given.substr(0, colon);
    } else if (!equals_ignoring_case(scheme, "Bearer")) {
        return false;
    }
    return equal_constant_time(
        as_bytes(std::string_view(given)), as_bytes(std::string_view(token)));
}

Checked<ProxyTarget> proxy_form(const RequestHead& head, const ProxyDoor& door) {
    if (!door.token.empty() && !brings_token(head.headers, door.token)) {
        auto refusal = refuse(kProxyAuthentication, Status::declined,
            "Proxy-Authorization does not bring the token that decloud pay-proxy printed",
            "http_proxy=http://pay:TOKEN@HOST:PORT");
        refusal.error().headers.emplace_back(
            "Proxy-Authenticate", "Basic realm=\"decloud pay-proxy\"");
        return refusal;
    }
    return to_url(head.target, std::nullopt, door);
}

/// Headers by which a server rules a whole origin.
bool rules_origin(std::string_view name) {
    static constexpr std::array<std::string_view, 9> kNames{"Set-Cookie", "Set-Cookie2",
        "Strict-Transport-Security", "Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed", "NEL",
        "Report-To", "Reporting-Endpoints"};
    return std::ranges::any_of(
        kNames, [&](std::string_view each) { return equals_ignoring_case(each, name); });
}

}  // namespace

Checked<ProxyTarget> find_proxy_target(const RequestHead& head, const ProxyDoor& door) {
    if (is_cross_site(head)) {
        return refuse(kForbidden, Status::declined,
            "a page of another site asks (Origin, Sec-Fetch-Site); it spends nothing here");
    }
    if (head.target.starts_with('/')) {
        return base_form(head, door);
    }
    if (head.target == "*") {
        return refuse(kNotFound, Status::bad_request, "there is nothing to pay for at *");
    }
    return proxy_form(head, door);
}

void strip_for_server(Headers& headers, const ProxyDoor& door, const ProxyTarget& target) {
    net::strip_hop_by_hop(headers);
    headers.remove("Host");
    headers.remove("Content-Length");
    if (target.prefix) {
        for (const char* name : {"Referer", "Origin", "Cookie"}) {
            headers.remove(name);
        }
    }
    if (!door.token.empty()) {
        headers.remove_if([&](const Headers::Field& field) {
            return field.value.find(door.token) != std::string_view::npos;
        });
    }
}

void fit_answer(Headers& headers, const ProxyTarget& target, const net::Url& from) {
    net::strip_hop_by_hop(headers);
    if (!target.prefix) {
        return;
    }
    headers.remove_if([](const Headers::Field& field) { return rules_origin(field.name); });
    headers.set("Referrer-Policy", "no-referrer");
    const auto location = headers.find("Location");
    if (!location) {
        return;
    }
    const std::string to(*location);
    if (to.starts_with("http://") || to.starts_with("https://")) {
        headers.set("Location", *target.prefix + "/" + to);
        return;
    }
    net::Url root = from;
    root.target = "/";
    const std::string origin = root.to_string().substr(0, root.to_string().size() - 1);
    if (to.starts_with("//")) {
        headers.set("Location",
            *target.prefix + (from.scheme == net::Scheme::https ? "/https:" : "/http:") + to);
    } else if (to.starts_with('/') &&
               !std::holds_alternative<ProxyTarget::ToProvider>(target.where)) {
        headers.set("Location", *target.prefix + "/" + origin + to);
    } else if (to.starts_with('/')) {
        const auto& provider = std::get<ProxyTarget::ToProvider>(target.where);
        const std::string shared = "/p/" + provider.name.short_form();
        headers.set("Location", *target.prefix + (to.starts_with(shared + "/") ? to : shared + to));
    }
}

}  // namespace decloud::client
