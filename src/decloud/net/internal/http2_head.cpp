#include "http2_head.hpp"

#include "../websocket/handshake.hpp"
#include "characters.hpp"
#include "serialize.hpp"

#include <decloud/base/ascii.hpp>

#include <algorithm>
#include <utility>

namespace decloud::net::http::internal {

namespace {

/// RFC 9113 §6.5.2.
constexpr std::size_t kFieldOverhead = 32;
/// A block that is this many times too large is not worth an answer.
constexpr std::size_t kAbusive = 4;

bool is_forbidden(std::string_view name) {
    return (is_framing_header(name) && !equals_ignoring_case(name, "Content-Length")) ||
           equals_ignoring_case(name, "Upgrade") || equals_ignoring_case(name, "TE");
}

std::unexpected<ParseError> refuse(std::string_view reason, int status = 400) {
    return std::unexpected(ParseError{.status = status, .reason = reason});
}

/// The request line and Host.
std::expected<std::string, ParseError> first_lines(const Http2Fields& fields) {
    const bool is_connect = fields.method == "CONNECT" && fields.protocol.empty();
    const std::string_view target = is_connect ? fields.authority : fields.path;
    if (!is_token(fields.method) || target.empty() ||
        !std::ranges::all_of(target, net::internal::is_target_character)) {
        return refuse("a bad method or request target");
    }
    if (!is_connect && fields.scheme != "http" && fields.scheme != "https") {
        return refuse("a bad scheme");
    }
    if (!is_connect && target.front() != '/' && target != "*") {
        return refuse("a bad request target");
    }
    std::string_view host = fields.authority;
    for (const std::string_view named : fields.headers.all("host")) {
        if (fields.has_authority ? !equals_ignoring_case(named, fields.authority)
                                 : fields.headers.count("host") > 1) {
            return refuse("a Host that differs from the authority");
        }
        host = named;
    }
    const std::string method = fields.protocol.empty() ? fields.method : "GET";
    std::string text = method + " " + std::string(target) + " HTTP/1.1\r\n";
    if (fields.has_authority || fields.headers.contains("host")) {
        if (!is_valid_field("Host", host)) {
            return refuse("a bad Host");
        }
        append_field(text, "Host", host);
    }
    return text;
}

/// What HTTP/1.1 would have said in place of extended CONNECT. The key is only there because
/// HTTP/1.1 wants one.
std::expected<std::string, ParseError> ask_for_websocket(
    const Http2Fields& fields, bool has_body, std::string& text) {
    if (fields.method != "CONNECT") {
        return refuse("a protocol without CONNECT");
    }
    if (fields.protocol != websocket::kProtocol) {
        return refuse("an unknown protocol", 501);
    }
    if (!has_body || fields.headers.contains("content-length")) {
        return refuse("a WebSocket without a stream of its own");
    }
    std::string key = websocket::make_key();
    append_field(text, "Connection", "Upgrade");
    append_field(text, "Upgrade", websocket::kProtocol);
    append_field(text, "Sec-WebSocket-Key", key);
    return key;
}

}  // namespace

Http2FieldList::Http2FieldList(const Headers& headers) { add_all(headers); }

void Http2FieldList::add(std::string_view name, std::string_view value) {
    fields_.push_back({to_lower(name), std::string(value)});
}

void Http2FieldList::add_all(const Headers& headers) {
    for (const Headers::Field field : headers) {
        if (!is_forbidden(field.name)) {
            add(field.name, field.value);
        }
    }
}

const nghttp2_nv* Http2FieldList::data() const {
    values_.clear();
    for (const Field& field : fields_) {
        // nghttp2 copies, and does not write.
        values_.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(field.name.data())),
            reinterpret_cast<std::uint8_t*>(const_cast<char*>(field.value.data())),
            field.name.size(), field.value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return values_.data();
}

bool add_field(
    Http2Fields& fields, std::string_view name, std::string_view value, const Limits& limits) {
    fields.bytes += name.size() + value.size() + kFieldOverhead;
    if (fields.bytes > limits.max_header_bytes || fields.headers.size() >= limits.max_headers) {
        fields.too_large = true;
        return fields.bytes <= kAbusive * limits.max_header_bytes;
    }
    if (!name.starts_with(':')) {
        fields.headers.add(name, value);
    } else if (name == ":method") {
        fields.method = value;
    } else if (name == ":scheme") {
        fields.scheme = value;
    } else if (name == ":authority") {
        fields.authority = value;
        fields.has_authority = true;
    } else if (name == ":path") {
        fields.path = value;
        fields.has_path = true;
    } else if (name == ":status") {
        fields.status = value;
    } else if (name == ":protocol") {
        fields.protocol = value;
    }
    return true;
}

std::expected<Http2Request, ParseError> make_request(
    const Http2Fields& fields, bool has_body, const Limits& limits) {
    if (fields.too_large) {
        return refuse("the header fields are too large", 431);
    }
    auto text = first_lines(fields);
    if (!text) {
        return std::unexpected(text.error());
    }
    std::string cookies;
    for (const Headers::Field field : fields.headers) {
        if (!is_valid_field(field.name, field.value)) {
            return refuse("a header with characters that HTTP forbids");
        }
        if (field.name == "cookie") {
            // RFC 9113 §8.2.3.
            cookies.append(cookies.empty() ? "" : "; ").append(field.value);
        } else if (field.name != "host" && field.name != "te" &&
                   (fields.protocol.empty() || field.name != "sec-websocket-key")) {
            append_field(*text, field.name, field.value);
        }
    }
    if (!cookies.empty()) {
        append_field(*text, "cookie", cookies);
    }
    std::string key;
    if (!fields.protocol.empty()) {
        auto asked = ask_for_websocket(fields, has_body, *text);
        if (!asked) {
            return std::unexpected(asked.error());
        }
        key = std::move(*asked);
    } else if (has_body && !fields.headers.contains("content-length")) {
        append_field(*text, "Transfer-Encoding", "chunked");
    }
    text->append("\r\n");
    RequestParser parser(limits);
    const ParseStep step = parser.next(as_bytes(*text));
    if (step.event != ParseEvent::head) {
        return step.event == ParseEvent::failed ? std::unexpected(parser.error())
                                                : refuse("a malformed request");
    }
    Http2Request request{.head = std::move(parser.head()),
        .length = parser.body_length(),
        .expects_continue = parser.expects_continue(),
        .websocket_key = std::move(key)};
    request.head.headers.remove("Transfer-Encoding");
    return request;
}

bool are_valid_fields(const Headers& headers) {
    return std::ranges::all_of(headers,
        [](const Headers::Field& field) { return is_valid_field(field.name, field.value); });
}

}  // namespace decloud::net::http::internal
