#include "frame.hpp"

#include "../error.hpp"

#include <algorithm>

namespace decloud::net::websocket {

namespace {

constexpr std::uint64_t kMostInControl = 125;
constexpr std::uint8_t kTwoBytes = 126;
constexpr std::uint8_t kEightBytes = 127;

bool is_known(std::uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

std::unexpected<Error> malformed(std::string_view what) {
    return fail(NetError::malformed_message, std::string(what));
}

std::uint64_t big_endian(BytesView bytes) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes) {
        value = value << 8U | byte;
    }
    return value;
}

}  // namespace

Result<std::optional<FrameHead>> parse_frame_head(BytesView input, Role sender) {
    if (input.size() < 2) {
        return std::nullopt;
    }
    const std::uint8_t opcode = input[0] & 0x0fU;
    const bool masked = (input[1] & 0x80U) != 0;
    const std::uint8_t code = input[1] & 0x7fU;
    FrameHead head;
    head.final = (input[0] & 0x80U) != 0;
    if ((input[0] & 0x70U) != 0 || !is_known(opcode) || masked != (sender == Role::client)) {
        return malformed("a WebSocket frame with wrong bits");
    }
    head.opcode = static_cast<Opcode>(opcode);
    const std::size_t extra = code == kTwoBytes ? 2 : code == kEightBytes ? 8 : 0;
    head.size = 2 + extra + (masked ? 4 : 0);
    if (opcode >= 8 && (!head.final || code > kMostInControl)) {
        return malformed("a WebSocket control frame that is too long or in parts");
    }
    if (input.size() < head.size) {
        return std::nullopt;
    }
    head.length = extra == 0 ? code : big_endian(input.subspan(2, extra));
    const bool minimal =
        extra == 0 || (extra == 2 ? head.length >= kTwoBytes : head.length > 0xffff);
    if (!minimal || head.length >> 63U != 0) {
        return malformed("a WebSocket frame with a wrong length");
    }
    if (masked) {
        std::ranges::copy(input.subspan(2 + extra, 4), head.mask.begin());
    }
    return head;
}

Bytes encode_frame_head(
    Opcode opcode, std::uint64_t length, std::optional<std::array<std::uint8_t, 4>> mask) {
    const std::uint8_t bit = mask ? 0x80 : 0;
    Bytes out{static_cast<std::uint8_t>(0x80U | static_cast<std::uint8_t>(opcode))};
    const auto put = [&](unsigned bytes) {
        for (unsigned shift = bytes * 8; shift > 0; shift -= 8) {
            out.push_back(static_cast<std::uint8_t>(length >> (shift - 8)));
        }
    };
    if (length <= kMostInControl) {
        out.push_back(static_cast<std::uint8_t>(bit | length));
    } else if (length <= 0xffff) {
        out.push_back(bit | kTwoBytes);
        put(2);
    } else {
        out.push_back(bit | kEightBytes);
        put(8);
    }
    if (mask) {
        append(out, BytesView(*mask));
    }
    return out;
}

}  // namespace decloud::net::websocket
