#pragma once

#include "../http/message.hpp"

#include <string>
#include <string_view>

namespace decloud::net::websocket {

/// Of an Upgrade field, and of RFC 8441's `:protocol`.
inline constexpr std::string_view kProtocol = "websocket";

/// True if an HTTP/1.1 request wants its connection to become a WebSocket (RFC 6455 §4.1), as far
/// as a proxy looks.
[[nodiscard]] bool asks_for_websocket(const http::RequestHead& request);

/// A Sec-WebSocket-Key: sixteen random bytes.
[[nodiscard]] std::string make_key();

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key.
[[nodiscard]] std::string accept_value(std::string_view key);

}  // namespace decloud::net::websocket
