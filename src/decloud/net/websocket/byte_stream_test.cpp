#include "byte_stream.hpp"

#include "../error.hpp"
#include "../testing/test_loop.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

namespace decloud::net::websocket {
namespace {

using testing::run_loop;

/// Gives what a peer has said, and then its end.
class SaidStream final : public Stream {
  public:
    explicit SaidStream(Bytes said) : said_(std::move(said)) {}
    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        const std::size_t size = std::min(buffer.size(), said_.size() - at_);
        std::copy_n(said_.begin() + static_cast<std::ptrdiff_t>(at_), size, buffer.begin());
        at_ += size;
        co_return size;
    }
    async::Task<Result<void>> write(BytesView bytes) override {
        append(said_, bytes);
        co_return Result<void>{};
    }
    void shutdown_write() override {}
    void close() override {}
    [[nodiscard]] const Bytes& said() const { return said_; }

  private:
    Bytes said_;
    std::size_t at_ = 0;
};

Bytes frames(Opcode opcode, std::string_view payload, int times) {
    Bytes out;
    for (int index = 0; index < times; ++index) {
        append(out, encode_frame_head(opcode, payload.size(), std::nullopt));
        append(out, as_bytes(payload));
    }
    return out;
}

Result<std::string> all_of(Bytes said) {
    Result<std::string> out;
    run_loop([&](async::Executor) -> async::Task<void> {
        ByteStream stream(std::make_unique<SaidStream>(std::move(said)), Role::client);
        std::string text;
        Bytes buffer(1000);
        for (;;) {
            const auto got = co_await stream.read(buffer);
            if (!got) {
                out = fail(got.error());
                co_return;
            }
            if (*got == 0) {
                break;
            }
            text += as_text(BytesView(buffer).first(*got));
        }
        out = std::move(text);
    });
    return out;
}

TEST(WebSocketByteStream, ReadsThroughManySmallFrames) {
    Bytes said;
    std::string expected;
    for (int index = 0; index < 20'000; ++index) {
        append(said, frames(Opcode::ping, "p", index % 3));
        append(said, frames(Opcode::binary, {}, index % 2));
        append(said, frames(Opcode::binary, std::to_string(index), 1));
        expected += std::to_string(index);
    }
    append(said, frames(Opcode::close, {}, 1));
    append(said, frames(Opcode::binary, "after the end", 1));
    const auto text = all_of(said);
    ASSERT_TRUE(text.has_value());
    EXPECT_EQ(*text, expected);
}

TEST(WebSocketByteStream, BoundsWhatComesBesidesData) {
    for (const Opcode opcode : {Opcode::binary, Opcode::pong, Opcode::ping}) {
        Bytes said = frames(opcode, {}, 50);
        append(said, frames(Opcode::binary, "x", 1));
        append(said, Bytes(said));
        EXPECT_EQ(all_of(said).value_or(""), "xx");
        append(said, frames(opcode, {}, 1000));
        const auto flooded = all_of(said);
        ASSERT_FALSE(flooded.has_value());
        EXPECT_EQ(flooded.error().code(), NetError::malformed_message);
    }
}

TEST(WebSocketByteStream, ReadsWhatAClientMaskedInPiecesOfAnySize) {
    Bytes sent(70'001);
    for (std::size_t index = 0; index < sent.size(); ++index) {
        sent[index] = static_cast<std::uint8_t>(index * 7);
    }
    run_loop([&sent](async::Executor) -> async::Task<void> {
        auto stream = std::make_unique<SaidStream>(Bytes{});
        SaidStream* const wire = stream.get();
        ByteStream client(std::move(stream), Role::client);
        EXPECT_TRUE((co_await client.write(sent)).has_value());
        ByteStream server(std::make_unique<SaidStream>(wire->said()), Role::server);
        Bytes received;
        Bytes buffer(100);
        for (std::size_t size = 1; received.size() < sent.size(); size = size % 100 + 1) {
            const auto got = co_await server.read(std::span(buffer).first(size));
            EXPECT_TRUE(got && *got > 0);
            if (!got || *got == 0) {
                break;
            }
            append(received, BytesView(buffer).first(*got));
        }
        EXPECT_EQ(received, sent);
    });
}

}  // namespace
}  // namespace decloud::net::websocket
