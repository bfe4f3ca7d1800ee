#pragma once

#include "test_loop.hpp"

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::net::testing {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame of HTTP/2.
struct Frame {
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::string payload{};
};

inline std::string be32(std::uint32_t value) {
    std::string out;
    for (const int shift : {24, 16, 8, 0}) {
        out.push_back(static_cast<char>((value >> shift) & 0xff));
    }
    return out;
}

/// The frame's bytes.
inline std::string encode(const Frame& frame) {
    std::string out = be32(static_cast<std::uint32_t>(frame.payload.size())).substr(1);
    out.push_back(static_cast<char>(frame.type));
    out.push_back(static_cast<char>(frame.flags));
    return out + be32(frame.stream) + frame.payload;
}

/// A header block whose fields are literal and enter no table, so that each may be anything.
inline std::string header_block(
    std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
    std::string out;
    const auto text = [&](std::string_view value) {
        if (value.size() < 127) {
            out.push_back(static_cast<char>(value.size()));
        } else {
            out.push_back(127);
            std::size_t rest = value.size() - 127;
            for (; rest >= 128; rest /= 128) {
                out.push_back(static_cast<char>(rest % 128 + 128));
            }
            out.push_back(static_cast<char>(rest));
        }
        out.append(value);
    };
    for (const auto& [name, value] : fields) {
        out.push_back(0);
        text(name);
        text(value);
    }
    return out;
}

inline std::string get_block(std::string_view path = "/") {
    return header_block(
        {{":method", "GET"}, {":scheme", "http"}, {":path", path}, {":authority", "a"}});
}

/// HEADERS that begin and end a request.
inline std::string get_frame(std::uint32_t stream, std::string_view path = "/") {
    return encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, stream,
        get_block(path)});
}

/// A client that sends frames as they are.
class FrameClient {
  public:
    explicit FrameClient(async::Executor executor) : raw(std::move(executor)) {}

    /// With the preface and empty settings.
    async::Task<void> connect(std::uint16_t port) {
        co_await raw.connect(port);
        co_await raw.send(std::string(kPreface) + encode({NGHTTP2_SETTINGS, 0, 0, {}}));
    }
    async::Task<void> send(std::string bytes) { co_await raw.send(std::move(bytes)); }
    /// The next frame; type 255 at the end of the connection.
    async::Task<Frame> next() {
        while (raw.received.size() < 9 || raw.received.size() < 9 + payload_size()) {
            // Asio does not tell of an end twice.
            ended = ended || !co_await raw.read_some();
            if (ended) {
                co_return Frame{255, 0, 0, {}};
            }
        }
        Frame frame{static_cast<std::uint8_t>(raw.received[3]),
            static_cast<std::uint8_t>(raw.received[4]), number(raw.received.substr(5, 4)),
            raw.received.substr(9, payload_size())};
        raw.received.erase(0, 9 + payload_size());
        co_return frame;
    }
    /// The next frame of that type; type 255 if the connection ends before.
    async::Task<Frame> next(std::uint8_t type) {
        for (;;) {
            Frame frame = co_await next();
            if (frame.type == type || frame.type == 255) {
                co_return frame;
            }
        }
    }
    /// The error code of GOAWAY; 255 if there is none before the connection ends.
    async::Task<std::uint32_t> goaway() {
        const Frame frame = co_await next(NGHTTP2_GOAWAY);
        co_return frame.type == 255 ? 255 : number(frame.payload.substr(4, 4));
    }
    static std::uint32_t number(std::string_view bytes) {
        std::uint32_t value = 0;
        for (const char byte : bytes) {
            value = value << 8 | static_cast<std::uint8_t>(byte);
        }
        return value;
    }

    RawClient raw;
    bool ended = false;

  private:
    [[nodiscard]] std::size_t payload_size() const {
        return number(std::string_view(raw.received).substr(0, 3));
    }
};

}  // namespace decloud::net::testing
