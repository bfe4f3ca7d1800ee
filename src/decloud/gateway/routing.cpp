#include "routing.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/identity/error.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/net/address.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace decloud::gateway {

namespace {

using identity::ProviderName;
using protocol::Checked;
using protocol::Status;

constexpr std::size_t kShownBytes = 80;
constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::size_t kLeastCidBytes = 32;
constexpr std::string_view kAliases = ".fn";

/// Without port, brackets and the dot of a full name.
std::string host_name(std::string_view authority) {
    if (authority.starts_with('[')) {
        return std::string(
            authority.substr(1, std::min(authority.find(']'), authority.size()) - 1));
    }
    std::string_view host = authority.substr(0, authority.find(':'));
    if (host.ends_with('.')) {
        host.remove_suffix(1);
    }
    return to_lower(host);
}

std::string known_forms(std::string_view domain) {
    return fmt::format(
        "this gateway answers http(s)://{{provider}}.{0}/{{cid}}, {0}/p/{{provider}}/{{cid}}, "
        "{0}/{{cid}} and {{alias}}.fn.{0}",
        domain);
}

std::string shown(std::string_view text) {
    return text.size() <= kShownBytes ? std::string(text)
                                      : std::string(text.substr(0, kShownBytes)) + "…";
}

std::unexpected<protocol::Problem> no_such_place(std::string detail, std::string_view domain) {
    return protocol::refuse(404, Status::bad_request, std::move(detail), known_forms(domain));
}

std::unexpected<protocol::Problem> bad_name(const Error& error, std::string_view domain) {
    const int status = error == make_error_code(IdentityError::reserved_name) ? 404 : 400;
    return protocol::refuse(status, Status::bad_request,
        fmt::format("that is no provider's name: {}", error.detail()), known_forms(domain));
}

bool is_own_host(std::string_view host, std::string_view domain) {
    return host.empty() || host == domain || host == "localhost" || net::parse_ip_address(host);
}

/// The label in front of `.{domain}`; nothing if the host is not under the domain.
std::optional<std::string_view> label_under(std::string_view host, std::string_view domain) {
    if (host.size() <= domain.size() + 1 || !host.ends_with(domain) ||
        host[host.size() - domain.size() - 1] != '.') {
        return std::nullopt;
    }
    return host.substr(0, host.size() - domain.size() - 1);
}

Checked<Route> route_by_alias(std::string_view alias, std::string_view domain) {
    if (!is_alias(alias)) {
        return protocol::refuse(400, Status::bad_request,
            fmt::format("\"{}\" can be no alias", shown(alias)), known_forms(domain));
    }
    return AliasRoute{.alias = std::string(alias)};
}

Checked<Route> route_by_label(std::string_view label, std::string_view domain) {
    if (label.ends_with(kAliases)) {
        return route_by_alias(label.substr(0, label.size() - kAliases.size()), domain);
    }
    if (label.contains('.')) {
        return no_such_place(
            fmt::format(
                "\"{}\" is more than one label in front of {}; dots of a provider's name are "
                "written as hyphens, hyphens as two",
                shown(label), domain),
            domain);
    }
    const auto name = ProviderName::from_gateway_label(label);
    if (!name) {
        return bad_name(name.error(), domain);
    }
    if (name->gateway_label() != label) {
        return no_such_place(
            fmt::format("{} is written {}.{}", name->full(), name->gateway_label(), domain),
            domain);
    }
    return ProviderRoute{.name = *name, .shared_prefix = {}};
}

Checked<Route> route_by_path(std::string_view path, std::string_view domain) {
    if (path == "/healthz") {
        return HealthRoute{};
    }
    if (path == "/readyz") {
        return ReadyRoute{};
    }
    constexpr std::string_view kPrefix = "/p/";
    if (!path.starts_with(kPrefix)) {
        const std::string_view prefix = path.substr(0, path.find('/', 1));
        if (prefix.size() > kLeastCidBytes) {
            const auto cid = multiformats::Cid::parse(prefix.substr(1));
            if (cid) {
                return CidRoute{.cid = cid->to_string(), .prefix = std::string(prefix)};
            }
        }
        return no_such_place(fmt::format("there is nothing at {}", shown(path)), domain);
    }
    const std::string_view rest = path.substr(kPrefix.size());
    const std::string_view text = rest.substr(0, rest.find('/'));
    const auto name = ProviderName::parse(text);
    if (!name) {
        return bad_name(name.error(), domain);
    }
    if (text != name->full() && text != name->short_form()) {
        return no_such_place(
            fmt::format("{} is written /p/{}", name->full(), name->short_form()), domain);
    }
    return ProviderRoute{.name = *name, .shared_prefix = fmt::format("/p/{}", text)};
}

bool is_label_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

bool is_alias(std::string_view text) {
    return !text.empty() && text.size() <= kMaxLabelBytes &&
           std::ranges::all_of(text, is_label_character) && !text.starts_with('-') &&
           !text.ends_with('-') && !text.starts_with("xn--") && !identity::is_reserved_label(text);
}

std::string origin_form(std::string_view target) {
    if (target.starts_with('/') || target == "*") {
        return std::string(target);
    }
    const std::size_t scheme = target.find("://");
    const std::size_t path =
        scheme == std::string_view::npos ? scheme : target.find_first_of("/?", scheme + 3);
    if (path == std::string_view::npos) {
        return "/";
    }
    return target[path] == '/' ? std::string(target.substr(path))
                               : "/" + std::string(target.substr(path));
}

Checked<Route> find_route(const net::http::RequestHead& request, std::string_view domain) {
    const std::string host = host_name(request.headers.find("Host").value_or(""));
    if (const auto label = label_under(host, domain)) {
        return route_by_label(*label, domain);
    }
    if (is_own_host(host, domain)) {
        const std::string target = origin_form(request.target);
        return route_by_path(std::string_view(target).substr(0, target.find('?')), domain);
    }
    return no_such_place(fmt::format("\"{}\" is not under {}", shown(host), domain), domain);
}

}  // namespace decloud::gateway
