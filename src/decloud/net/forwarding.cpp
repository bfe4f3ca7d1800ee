#include "forwarding.hpp"

#include "internal/characters.hpp"
#include "url.hpp"

#include <decloud/base/ascii.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace decloud::net {

namespace {

using http::Headers;

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
    return std::ranges::any_of(
        names, [&](std::string_view one) { return equals_ignoring_case(name, one); });
}

bool has_prefix(std::string_view name, std::string_view prefix) {
    return name.size() >= prefix.size() &&
           equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

std::string forwarded_node(const PeerAddress& client) {
    if (client.is_unix) {
        return "unknown";
    }
    return client.ip.is_v6() ? fmt::format("\"[{}]\"", client.ip.to_string())
                             : client.ip.to_string();
}

/// The elements of a Forwarded header, cut at the commas outside quotes.
std::string_view last_element(std::string_view header) {
    std::size_t begin = 0;
    bool quoted = false;
    for (std::size_t index = 0; index < header.size(); ++index) {
        if (header[index] == '"') {
            quoted = !quoted;
        } else if (header[index] == ',' && !quoted) {
            begin = index + 1;
        }
    }
    return header.substr(begin);
}

}  // namespace

void strip_hop_by_hop(Headers& headers) {
    static constexpr std::array<std::string_view, 9> kHopByHop{"Connection", "Keep-Alive",
        "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade"};
    static constexpr std::array<std::string_view, 2> kNeeded{"Content-Length", "Host"};
    std::vector<std::string> named;
    for (const Headers::Field field : headers) {
        if (equals_ignoring_case(field.name, "Connection")) {
            internal::for_each_token(
                field.value, [&](std::string_view name) { named.emplace_back(name); });
        }
    }
    headers.remove_if([&](const Headers::Field& field) {
        const bool nominated = std::ranges::any_of(
            named, [&](const std::string& name) { return equals_ignoring_case(field.name, name); });
        return is_one_of(field.name, kHopByHop) || (nominated && !is_one_of(field.name, kNeeded));
    });
}

bool is_reserved_header(std::string_view name) {
    static constexpr std::array<std::string_view, 5> kPrefixes{
        "OpenCloud-", "Payment-", "X-Payment", "Signature", "X-Decloud-"};
    static constexpr std::array<std::string_view, 8> kNames{"Accept-Signature", "Alt-Svc",
        "Strict-Transport-Security", "Clear-Site-Data", "Service-Worker-Allowed", "NEL",
        "Report-To", "Reporting-Endpoints"};
    return is_one_of(name, kNames) || std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
        return has_prefix(name, prefix);
    });
}

void strip_reserved(Headers& headers) {
    headers.remove_if([](const Headers::Field& field) { return is_reserved_header(field.name); });
}

void set_forwarded(Headers& headers, const ForwardedElement& element) {
    headers.remove_if([](const Headers::Field& field) {
        return equals_ignoring_case(field.name, "Forwarded") ||
               equals_ignoring_case(field.name, "X-Real-IP") ||
               has_prefix(field.name, "X-Forwarded-");
    });
    const std::string client = element.client.is_unix ? "unknown" : element.client.ip.to_string();
    std::string forwarded =
        fmt::format("for={};proto={}", forwarded_node(element.client), element.scheme);
    if (is_valid_authority(element.host)) {
        // A port or an IPv6 address has a colon, which needs the quotes.
        forwarded += fmt::format(";host=\"{}\"", element.host);
        headers.add("X-Forwarded-Host", element.host);
    }
    headers.add("Forwarded", forwarded);
    headers.add("X-Forwarded-For", client);
    headers.add("X-Forwarded-Proto", element.scheme);
}

std::string client_network(const PeerAddress& peer) {
    if (peer.is_unix) {
        return "local";
    }
    const IpAddress ip = peer.ip.unmapped();
    if (!ip.is_v6()) {
        return ip.to_string();
    }
    std::array<std::uint8_t, 16> prefix = ip.octets();
    std::fill(prefix.begin() + 8, prefix.end(), std::uint8_t{0});
    return IpAddress::v6(prefix).to_string() + "/64";
}

Result<IpAddress> forwarded_client(std::string_view header) {
    std::string_view element = last_element(header);
    while (!element.empty()) {
        const std::size_t end = std::min(element.find(';'), element.size());
        const std::string_view pair = internal::trim(element.substr(0, end));
        element.remove_prefix(std::min(end + 1, element.size()));
        if (pair.size() < 4 || !equals_ignoring_case(pair.substr(0, 4), "for=")) {
            continue;
        }
        std::string_view node = pair.substr(4);
        if (node.size() >= 2 && node.front() == '"' && node.back() == '"') {
            node = node.substr(1, node.size() - 2);
        }
        if (node.starts_with('[')) {
            const std::size_t close = node.find(']');
            if (close == std::string_view::npos) {
                break;
            }
            return parse_ip_address(node.substr(1, close - 1));
        }
        return parse_ip_address(node.substr(0, node.find(':')));
    }
    return fail(CommonError::invalid_input, "a Forwarded header without an address");
}

}  // namespace decloud::net
