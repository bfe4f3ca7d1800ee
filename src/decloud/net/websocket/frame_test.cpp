#include "frame.hpp"

#include "../error.hpp"
#include "handshake.hpp"

#include <gtest/gtest.h>

namespace decloud::net::websocket {
namespace {

using Mask = std::array<std::uint8_t, 4>;

TEST(WebSocketFrame, ReadsWhatItWrites) {
    for (const std::uint64_t length : {0ULL, 125ULL, 126ULL, 65535ULL, 65536ULL, 1ULL << 40U}) {
        const Bytes bytes = encode_frame_head(Opcode::binary, length, Mask{1, 2, 3, 4});
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto early = parse_frame_head(BytesView(bytes).first(size), Role::client);
            EXPECT_TRUE(early.has_value() && !early->has_value()) << size;
        }
        const FrameHead head = parse_frame_head(bytes, Role::client).value().value_or(FrameHead{});
        EXPECT_EQ(head.length, length);
        EXPECT_EQ(head.size, bytes.size());
        EXPECT_EQ(head.mask, (Mask{1, 2, 3, 4}));
    }
}

TEST(WebSocketFrame, RefusesWhatRfc6455Forbids) {
    const auto refused = [](Bytes bytes, Role sender) {
        const auto head = parse_frame_head(bytes, sender);
        return !head && head.error().code() == NetError::malformed_message;
    };
    EXPECT_TRUE(refused({0x82, 0x01, 0}, Role::client)) << "a client masks";
    EXPECT_TRUE(refused({0x82, 0x81, 0, 0, 0, 0}, Role::server)) << "a server does not";
    EXPECT_TRUE(refused({0xc2, 0x01}, Role::server)) << "a reserved bit";
    EXPECT_TRUE(refused({0x83, 0x01}, Role::server)) << "a reserved opcode";
    EXPECT_TRUE(refused({0x8b, 0x01}, Role::server)) << "a reserved control opcode";
    EXPECT_TRUE(refused({0x09, 0x01}, Role::server)) << "a ping in parts";
    EXPECT_TRUE(refused({0x89, 126, 0, 126}, Role::server)) << "a long ping";
    EXPECT_TRUE(refused({0x82, 126, 0, 125}, Role::server)) << "a length in too many bytes";
    EXPECT_TRUE(refused({0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, Role::server)) << "the same";
    EXPECT_TRUE(refused({0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, Role::server)) << "2⁶³";
}

TEST(WebSocketFrame, AcceptsAsRfc6455Says) {
    EXPECT_EQ(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

}  // namespace
}  // namespace decloud::net::websocket
