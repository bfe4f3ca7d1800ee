#include "headers.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::ipfs::internal {

namespace {

std::optional<std::string> field(const net::http::RequestHead& head, std::string_view name) {
    const auto value = head.headers.find(name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
}

std::string_view opaque(std::string_view etag) {
    return etag.starts_with("W/") ? etag.substr(2) : etag;
}

std::string_view trimmed(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

}  // namespace

Conditions Conditions::of(const net::http::RequestHead& head) {
    return {.range = field(head, "Range"),
        .if_range = field(head, "If-Range"),
        .if_none_match = field(head, "If-None-Match")};
}

bool Conditions::has_already(std::string_view etag) const {
    std::string_view rest = if_none_match ? std::string_view(*if_none_match) : std::string_view();
    while (!rest.empty()) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view each = trimmed(rest.substr(0, comma));
        if (each == "*" || opaque(each) == opaque(etag)) {
            return true;
        }
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return false;
}

RangeChoice Conditions::choose(std::string_view etag, std::uint64_t size) const {
    const bool is_current = !if_range || (*if_range == etag && !etag.starts_with("W/"));
    return range && is_current ? choose_range(*range, size) : RangeChoice{};
}

void add_cors(net::http::Headers& headers) {
    headers.add("Access-Control-Allow-Origin", "*");
    headers.add("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    headers.add(
        "Access-Control-Allow-Headers", "Content-Type, Range, User-Agent, X-Requested-With");
    headers.add("Access-Control-Expose-Headers",
        "Content-Length, Content-Range, X-Chunked-Output, X-Ipfs-Path, X-Ipfs-Roots, "
        "X-Stream-Output");
}

void add_isolation(net::http::Headers& headers, bool is_shared) {
    if (is_shared) {
        headers.add("Content-Security-Policy", "sandbox allow-scripts allow-forms");
    }
    headers.add("X-Content-Type-Options", "nosniff");
}

void add_path(net::http::Headers& headers,
    const ContentRequest& request,
    std::span<const multiformats::Cid> roots) {
    headers.add("X-Ipfs-Path", request.path);
    std::string text;
    for (const multiformats::Cid& cid : roots) {
        text += (text.empty() ? "" : ",") + cid.to_string();
    }
    headers.add("X-Ipfs-Roots", text);
}

std::string disposition(bool attachment, std::string_view filename) {
    std::string ascii;
    for (const char c : filename) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80) {
            // One for each character: those that go on one count nothing.
            ascii += byte >= 0xc0 ? "_" : "";
        } else {
            ascii += byte < 0x20 || byte == 0x7f || c == '"' || c == '\\' || c == '/' ? '_' : c;
        }
    }
    std::string out = attachment ? "attachment" : "inline";
    out += "; filename=\"" + ascii + "\"";
    if (ascii != filename) {
        out += "; filename*=UTF-8''" + percent_encode(filename);
    }
    return out;
}

}  // namespace decloud::ipfs::internal
