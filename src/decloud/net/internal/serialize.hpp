#pragma once

#include "../http/message.hpp"

#include <decloud/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::net::http::internal {

/// Content-Length, Transfer-Encoding, Connection, Keep-Alive: what this module alone writes.
[[nodiscard]] bool is_framing_header(std::string_view name);

void append_field(std::string& out, std::string_view name, std::string_view value);
void append_decimal(std::string& out, std::uint64_t value);
/// "1a\r\n"
void append_chunk_size(std::string& out, std::uint64_t size);

/// The fields but those of framing. Error: invalid_input if one cannot be sent.
[[nodiscard]] Result<void> append_fields(std::string& out, const Headers& headers);

/// Digits only, no sign, no superfluous zero, at most `limit`.
[[nodiscard]] std::optional<std::uint64_t> parse_content_length(
    std::string_view text, std::uint64_t limit);

/// The last chunk and the trailers. Error: invalid_input.
[[nodiscard]] Result<void> append_last_chunk(std::string& out, const Headers& trailers);

/// "Sun, 06 Nov 1994 08:49:37 GMT" of the present second.
[[nodiscard]] std::string_view http_date();

}  // namespace decloud::net::http::internal
