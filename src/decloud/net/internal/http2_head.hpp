#pragma once

#include "../http/parser.hpp"
#include "http2_stream.hpp"

#include <decloud/base/result.hpp>

#include <nghttp2/nghttp2.h>

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::net::http::internal {

/// Fields as nghttp2 takes them: names in lower case, without those that HTTP/2 forbids.
class Http2FieldList {
  public:
    explicit Http2FieldList(const Headers& headers);
    Http2FieldList() = default;
    Http2FieldList(const Http2FieldList&) = delete;
    Http2FieldList& operator=(const Http2FieldList&) = delete;
    ~Http2FieldList() = default;

    /// In the order in which they are to be sent; pseudo-fields first.
    void add(std::string_view name, std::string_view value);
    void add_all(const Headers& headers);
    [[nodiscard]] const nghttp2_nv* data() const;
    [[nodiscard]] std::size_t size() const { return fields_.size(); }

  private:
    struct Field {
        std::string name;
        std::string value;
    };
    std::vector<Field> fields_;
    mutable std::vector<nghttp2_nv> values_;
};

/// Adds a field. False if the block is so far beyond its limit that it can only be an attack.
[[nodiscard]] bool add_field(
    Http2Fields& fields, std::string_view name, std::string_view value, const Limits& limits);

/// A request as HTTP/1.1 has it, by the very rules that hold there (RFC 9113 §8.3): the parser of
/// HTTP/1.1 reads it. `has_body`: the stream goes on after the head. What asks for a WebSocket by
/// extended CONNECT (RFC 8441) becomes a GET with `Upgrade` and a key of our own, and has no body.
struct Http2Request {
    RequestHead head;
    std::optional<std::uint64_t> length;
    bool expects_continue = false;
    /// Sec-WebSocket-Key; empty: no WebSocket is asked for.
    std::string websocket_key;
};
[[nodiscard]] std::expected<Http2Request, ParseError> make_request(
    const Http2Fields& fields, bool has_body, const Limits& limits);

/// True if every field can be sent.
[[nodiscard]] bool are_valid_fields(const Headers& headers);

}  // namespace decloud::net::http::internal
