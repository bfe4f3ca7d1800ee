#pragma once

#include "bytes.hpp"
#include "result.hpp"

#include <string>
#include <string_view>

namespace decloud {

/// Lower-case hexadecimal without a prefix.
[[nodiscard]] std::string to_hex(BytesView bytes);
/// With "0x" in front, as Ethereum's JSON-RPC writes data.
[[nodiscard]] std::string to_hex_prefixed(BytesView bytes);
/// Either case, an optional "0x", an even number of digits. Error: invalid_input.
[[nodiscard]] Result<Bytes> from_hex(std::string_view text);

/// RFC 4648 §4 with padding.
[[nodiscard]] std::string to_base64(BytesView bytes);
/// Strict: padding required, no white space, unused bits zero. Error: invalid_input.
[[nodiscard]] Result<Bytes> from_base64(std::string_view text);

/// RFC 4648 §5 without padding, as JOSE uses it.
[[nodiscard]] std::string to_base64url(BytesView bytes);
/// Strict: no padding, unused bits zero. Error: invalid_input.
[[nodiscard]] Result<Bytes> from_base64url(std::string_view text);

/// True if the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(BytesView bytes);

/// RFC 3986 percent-decoding; "+" stays "+". Error: invalid_input on a bad escape.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);
/// Escapes everything but RFC 3986's unreserved characters.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace decloud
