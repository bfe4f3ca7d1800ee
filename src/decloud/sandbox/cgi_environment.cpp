#include "cgi.hpp"

#include <decloud/base/ascii.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace decloud::sandbox {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

bool is_clean(std::string_view text) {
    return text.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

bool is_variable_name(std::string_view name) {
    return !name.empty() && name.find('=') == std::string_view::npos && is_clean(name);
}

/// "user-agent" → "HTTP_USER_AGENT"; nothing for a name with other characters, which could
/// pass for another header once they are mapped.
std::optional<std::string> variable_of(std::string_view name) {
    std::string variable = "HTTP_";
    for (const char c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!plain) {
            return std::nullopt;
        }
        variable += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    return variable;
}

bool is_reserved(std::string_view name) {
    constexpr std::array<std::string_view, 5> kPrefixes{
        "opencloud-", "payment-", "x-payment", "signature", "x-decloud-"};
    constexpr std::array<std::string_view, 8> kNames{"accept-signature", "alt-svc",
        "strict-transport-security", "clear-site-data", "service-worker-allowed", "nel",
        "report-to", "reporting-endpoints"};
    return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
        return name.starts_with(prefix);
    }) || std::ranges::find(kNames, name) != kNames.end();
}

bool is_hop_by_hop(std::string_view name) {
    constexpr std::array<std::string_view, 9> kNames{"connection", "keep-alive", "proxy-connection",
        "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade"};
    return std::ranges::find(kNames, name) != kNames.end();
}

/// The names that the request's own Connection fields list.
std::set<std::string> connection_names(const HeaderPairs& lower_case_headers) {
    std::set<std::string> names;
    for (const auto& [name, value] : lower_case_headers) {
        if (name != "connection") {
            continue;
        }
        std::string_view rest = value;
        while (!rest.empty()) {
            const std::size_t comma = rest.find(',');
            std::string_view item = rest.substr(0, comma);
            while (item.starts_with(' ') || item.starts_with('\t')) {
                item.remove_prefix(1);
            }
            while (item.ends_with(' ') || item.ends_with('\t')) {
                item.remove_suffix(1);
            }
            names.insert(to_lower(item));
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        }
    }
    return names;
}

void add_headers(const HeaderPairs& forwarded, Pairs& variables) {
    std::map<std::string, std::size_t> places;
    for (const auto& [name, value] : forwarded) {
        const auto variable = variable_of(name);
        if (!variable || name == "content-type") {
            continue;
        }
        const auto [place, added] = places.emplace(*variable, variables.size());
        if (added) {
            variables.emplace_back(*variable, value);
        } else {
            std::string& before = variables[place->second].second;
            before += name == "cookie" ? "; " : ", ";
            before += value;
        }
    }
}

std::optional<std::string> content_type(const HeaderPairs& lower_case_headers) {
    for (const auto& [name, value] : lower_case_headers) {
        if (name == "content-type" && is_clean(value)) {
            return value;
        }
    }
    return std::nullopt;
}

}  // namespace

bool is_reserved_header(std::string_view raw) { return is_reserved(to_lower(raw)); }

bool is_hop_by_hop_header(std::string_view raw) { return is_hop_by_hop(to_lower(raw)); }

HeaderPairs forwarded_headers(const CgiRequest& request) {
    HeaderPairs headers;
    headers.reserve(request.headers.size());
    for (const auto& [name, value] : request.headers) {
        headers.emplace_back(to_lower(name), value);
    }
    const auto connection = connection_names(headers);
    std::erase_if(headers, [&](const auto& header) {
        const auto& [name, value] = header;
        const bool authorization = name == "authorization" && !request.pass_authorization;
        return authorization || name == "proxy" || name == "content-length" ||
               is_hop_by_hop(name) || is_reserved(name) || connection.contains(name) ||
               !is_clean(value) || !variable_of(name);
    });
    return headers;
}

Pairs make_cgi_environment(const CgiRequest& request, const Pairs& own) {
    Pairs variables;
    const HeaderPairs headers = forwarded_headers(request);
    variables.reserve(20 + headers.size() + own.size());
    const auto add = [&](std::string_view name, std::string value) {
        if (is_clean(value)) {
            variables.emplace_back(name, std::move(value));
        }
    };
    add("GATEWAY_INTERFACE", "CGI/1.1");
    add("SERVER_PROTOCOL", request.server_protocol);
    add("SERVER_SOFTWARE", "decloud");
    add("SERVER_NAME", request.server_name);
    add("SERVER_PORT", std::to_string(request.server_port));
    add("REQUEST_METHOD", request.method);
    add("REQUEST_URI", request.request_uri);
    add("SCRIPT_NAME", request.script_name);
    add("PATH_INFO", request.path_info);
    add("QUERY_STRING", request.query);
    add("REMOTE_ADDR", request.remote_address);
    if (request.https) {
        add("HTTPS", "on");
    }
    if (request.content_length) {
        add("CONTENT_LENGTH", std::to_string(*request.content_length));
    }
    if (auto type = content_type(headers)) {
        add("CONTENT_TYPE", std::move(*type));
    }
    add("DECLOUD_CID", request.cid);
    add("DECLOUD_DEADLINE_MS", std::to_string(request.deadline.count()));
    add_headers(headers, variables);

    if (own.empty()) {
        return variables;
    }
    std::set<std::string, std::less<>> taken;
    for (const auto& [name, value] : variables) {
        taken.insert(name);
    }
    for (const auto& [name, value] : own) {
        // HTTP_PROXY and its kind stay out of the reach of requests: only the owner can set it.
        if (is_variable_name(name) && value.find('\0') == std::string::npos &&
            taken.insert(name).second) {
            variables.emplace_back(name, value);
        }
    }
    return variables;
}

}  // namespace decloud::sandbox
