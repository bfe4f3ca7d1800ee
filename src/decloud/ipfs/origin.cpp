#include "origin.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/multiformats/ipns_record.hpp>

#include <algorithm>

namespace decloud::ipfs {

namespace {

using multiformats::Cid;
using multiformats::IpnsName;
using multiformats::Multibase;

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxAuthority = 512;

/// Only what names and ports are made of, as it comes back in links and redirects.
bool is_authority(std::string_view text) {
    return !text.empty() && text.size() <= kMaxAuthority && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == ':' || c == '_';
    });
}

/// "name" of "name:port".
std::string_view without_port(std::string_view authority) {
    return authority.substr(0, authority.find(':'));
}

/// Nothing, or the origin of a subdomain of `parent`.
std::optional<Origin> below(std::string_view authority, std::string_view parent) {
    const std::string_view host = without_port(authority);
    for (const std::string_view space : {"ipfs", "ipns"}) {
        const std::string suffix = "." + std::string(space) + "." + std::string(parent);
        if (host.size() > suffix.size() && host.ends_with(suffix)) {
            const std::size_t name = host.size() - suffix.size();
            return Origin{.kind = Origin::Kind::content,
                .authority = std::string(authority.substr(name + space.size() + 2)),
                .space = std::string(space),
                .name = std::string(host.substr(0, name))};
        }
    }
    return std::nullopt;
}

std::optional<std::string> fitting(std::string text) {
    return text.size() <= kMaxLabel ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace

Origin find_origin(const net::http::RequestHead& head,
    const std::vector<std::string>& parents,
    const std::function<bool(std::string_view)>& is_website,
    bool trust_forwarded) {
    const auto forwarded = [&](std::string_view name) {
        return trust_forwarded ? head.headers.find(name) : std::nullopt;
    };
    const std::string authority =
        to_lower(forwarded("X-Forwarded-Host").value_or(head.headers.find("Host").value_or("")));
    Origin origin;
    if (is_authority(authority)) {
        for (const std::string& parent : parents) {
            if (without_port(authority) == parent) {
                origin = {.kind = Origin::Kind::parent, .authority = authority};
            } else if (auto inner = below(authority, parent)) {
                origin = std::move(*inner);
            }
        }
        if (origin.kind == Origin::Kind::shared && is_website(without_port(authority))) {
            origin = {.kind = Origin::Kind::website,
                .authority = authority,
                .space = "ipns",
                .name = std::string(without_port(authority))};
        }
    }
    origin.scheme = forwarded("X-Forwarded-Proto") == "https" ? "https" : "http";
    return origin;
}

std::string inline_domain(std::string_view domain) {
    std::string out;
    for (const char c : domain) {
        out += c == '-' ? "--" : std::string(1, c == '.' ? '-' : c);
    }
    return out;
}

std::string domain_of_label(std::string_view label) {
    if (label.find('.') != std::string_view::npos) {
        return std::string(label);
    }
    std::string out;
    for (std::size_t i = 0; i < label.size(); ++i) {
        const bool is_double = label.substr(i).starts_with("--");
        out += label[i] == '-' ? (is_double ? '-' : '.') : label[i];
        i += is_double ? 1 : 0;
    }
    return out;
}

Result<std::optional<std::string>> subdomain_label(std::string_view space, std::string_view text) {
    if (space == "ipfs") {
        TRY(const Cid cid, Cid::parse(text));
        std::string base32 = cid.to_string(Multibase::base32);
        return fitting(
            base32.size() <= kMaxLabel ? std::move(base32) : cid.to_string(Multibase::base36));
    }
    if (const auto name = IpnsName::parse(text)) {
        return fitting(name->to_string());
    }
    const std::string domain = to_lower(text);
    if (!is_authority(domain) || domain.find('.') == std::string::npos ||
        domain.find(':') != std::string::npos) {
        return fail(CommonError::invalid_input, "neither an IPNS name nor a domain");
    }
    return fitting(inline_domain(domain));
}

}  // namespace decloud::ipfs
