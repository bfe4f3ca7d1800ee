#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::net::websocket {

/// Which end of a WebSocket one is.
enum class Role { client, server };

/// What a frame is (RFC 6455 §5.2).
enum class Opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
};

/// A frame without its payload.
struct FrameHead {
    bool final = true;
    Opcode opcode = Opcode::binary;
    std::uint64_t length = 0;
    /// Zeros if it is not masked.
    std::array<std::uint8_t, 4> mask{};
    /// Of the head itself.
    std::size_t size = 0;
};

/// The head at the front of `input`; nothing if more is needed. `sender` decides whether it has to
/// be masked. Error: malformed_message.
[[nodiscard]] Result<std::optional<FrameHead>> parse_frame_head(BytesView input, Role sender);

/// The head's bytes; masked if `mask` is given.
[[nodiscard]] Bytes encode_frame_head(
    Opcode opcode, std::uint64_t length, std::optional<std::array<std::uint8_t, 4>> mask);

}  // namespace decloud::net::websocket
