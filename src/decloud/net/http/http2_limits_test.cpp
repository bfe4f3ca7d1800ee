#include "../error.hpp"
#include "../testing/http2_frames.hpp"

#include <decloud/async/event.hpp>

#include <gtest/gtest.h>

namespace decloud::net::http {
namespace {

using namespace std::chrono_literals;
using testing::encode;
using testing::FrameClient;
using testing::get_frame;
using testing::run_loop;
using testing::TestServer;

constexpr std::uint8_t kWhole = NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS;

async::Task<void> answer_ok(Exchange exchange) { (void)co_await exchange.send({}, "ok"); }

/// Sends `frames` to a server with these settings and gives GOAWAY's code.
std::uint32_t goaway_after(std::string frames, ServerSettings settings) {
    std::uint32_t code = 0;
    run_loop([&](async::Executor executor) -> async::Task<void> {
        TestServer server(executor, answer_ok, settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(frames);
        code = co_await client.goaway();
        client.raw.close();
        co_await server.stop();
    });
    return code;
}

std::string repeat(const std::string& frame, int times) {
    std::string out;
    for (int index = 0; index < times; ++index) {
        out += frame;
    }
    return out;
}

ServerSettings strict_settings() {
    ServerSettings settings;
    settings.http2.control_frame_burst = 20;
    settings.http2.control_frames_per_second = 1;
    settings.http2.reset_burst = 20;
    settings.http2.resets_per_second = 1;
    return settings;
}

TEST(Http2Limits, PingFloodEndsTheConnection) {
    const std::string ping = encode({NGHTTP2_PING, 0, 0, "12345678"});
    EXPECT_EQ(goaway_after(repeat(ping, 100), strict_settings()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, SettingsFloodEndsTheConnection) {
    const std::string settings = encode({NGHTTP2_SETTINGS, 0, 0, {}});
    EXPECT_EQ(goaway_after(repeat(settings, 100), strict_settings()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, FloodOfTinyWindowUpdatesEndsTheConnection) {
    const std::string update = encode({NGHTTP2_WINDOW_UPDATE, 0, 0, testing::be32(1)});
    EXPECT_EQ(goaway_after(repeat(update, 100), strict_settings()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, FloodOfEmptyDataEndsTheConnection) {
    const std::string head = encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
        testing::header_block(
            {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})});
    const std::string data = encode({NGHTTP2_DATA, 0, 1, {}});
    EXPECT_EQ(goaway_after(head + repeat(data, 100), strict_settings()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, UnknownFramesAreIgnoredButBounded) {
    EXPECT_EQ(goaway_after(repeat(encode({200, 0, 0, "x"}), 100), strict_settings()),
        NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, RapidResetEndsTheConnection) {
    std::string frames;
    for (std::uint32_t stream = 1; stream < 400; stream += 2) {
        frames += get_frame(stream) +
                  encode({NGHTTP2_RST_STREAM, 0, stream, testing::be32(NGHTTP2_CANCEL)});
    }
    const std::uint32_t code = goaway_after(frames, strict_settings());
    EXPECT_TRUE(code == NGHTTP2_ENHANCE_YOUR_CALM || code == NGHTTP2_INTERNAL_ERROR) << code;
}

TEST(Http2Limits, FloodOfFramesThatAreRefusedEndsTheConnection) {
    // Each lets the window overflow, which is answered with a reset.
    const std::string update = encode({NGHTTP2_WINDOW_UPDATE, 0, 1, testing::be32(0x7fffffff)});
    const std::string head = encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
        testing::header_block(
            {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})});
    EXPECT_EQ(
        goaway_after(head + repeat(update, 100), strict_settings()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, FloodOfStreamsThatMakeUsResetThemEndsTheConnection) {
    const std::string head = testing::header_block(
        {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
    const std::string trailer = testing::header_block({{"host", "b"}});
    std::string frames;
    for (std::uint32_t stream = 1; stream < 100; stream += 2) {
        frames += encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, head}) +
                  encode({NGHTTP2_HEADERS, kWhole, stream, trailer});
    }
    EXPECT_EQ(goaway_after(frames, strict_settings()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, ContinuationFloodEndsTheConnection) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        int handled = 0;
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            ++handled;
            (void)co_await exchange.send({}, "ok");
        });
        FrameClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(encode({NGHTTP2_HEADERS, 0, 1, testing::get_block()}) +
                             repeat(encode({NGHTTP2_CONTINUATION, 0, 1, {}}), 1000));
        while ((co_await client.next()).type != 255) {
        }
        EXPECT_EQ(handled, 0);
        co_await server.stop();
    });
}

TEST(Http2Limits, RefusesTooManyHeaderBytes) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.limits.max_header_bytes = 1000;
        TestServer server(executor, answer_ok, settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(encode({NGHTTP2_HEADERS, kWhole, 1,
            testing::get_block() + testing::header_block({{"x", std::string(1500, 'x')}})}));
        const auto answer = co_await client.next(NGHTTP2_HEADERS);
        EXPECT_NE(answer.payload.find("431"), std::string::npos) << "Huffman is not used";
        client.raw.close();
        co_await server.stop();
    });
}

TEST(Http2Limits, MoreStreamsThanAreAllowedEndTheConnection) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.http2.max_concurrent_streams = 2;
        async::Event release(executor);
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                (void)co_await release.wait(1min);
                (void)co_await exchange.send({}, "ok");
            },
            settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        (void)co_await client.next(NGHTTP2_SETTINGS);
        co_await client.send(encode({NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, {}}) + get_frame(1) +
                             get_frame(3) + get_frame(5));
        EXPECT_EQ(co_await client.goaway(), NGHTTP2_PROTOCOL_ERROR);
        EXPECT_EQ((co_await client.next(NGHTTP2_HEADERS)).type, 255);
        release.set();
        // The handlers run before the connection is gone.
        EXPECT_EQ((co_await client.next(NGHTTP2_HEADERS)).type, 255);
        client.raw.close();
        co_await server.stop();
    });
}

TEST(Http2Limits, EndsAStreamWhoseWindowStaysShut) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.write_timeout = 50ms;
        std::optional<Result<void>> written;
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                written = co_await exchange.send({}, Bytes(1000));
            },
            settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        // SETTINGS_INITIAL_WINDOW_SIZE = 10.
        co_await client.send(
            encode({NGHTTP2_SETTINGS, 0, 0, std::string("\0\4", 2) + testing::be32(10)}) +
            get_frame(1));
        EXPECT_EQ((co_await client.next(NGHTTP2_DATA)).payload.size(), 10U);
        EXPECT_EQ((co_await client.next(NGHTTP2_RST_STREAM)).stream, 1U);
        EXPECT_TRUE(written.has_value() && !written->has_value());
        if (written && !*written) {
            EXPECT_EQ(written->error().code(), CommonError::timeout);
        }
        client.raw.close();
        co_await server.stop();
    });
}

TEST(Http2Limits, EndsAStreamWhoseEndFindsNoWindow) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.write_timeout = 50ms;
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                (void)co_await exchange.start({});
                (void)co_await exchange.write(Bytes(10));
                (void)co_await exchange.finish();
            },
            settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        // SETTINGS_INITIAL_WINDOW_SIZE = 10.
        co_await client.send(
            encode({NGHTTP2_SETTINGS, 0, 0, std::string("\0\4", 2) + testing::be32(10)}) +
            get_frame(1));
        EXPECT_EQ((co_await client.next(NGHTTP2_DATA)).payload.size(), 10U);
        EXPECT_EQ((co_await client.next(NGHTTP2_RST_STREAM)).stream, 1U);
        client.raw.close();
        co_await server.stop();
    });
}

TEST(Http2Limits, EndsAConnectionWhoseHeadersDoNotComeToAnEnd) {
    ServerSettings settings;
    settings.header_timeout = 50ms;
    EXPECT_EQ(goaway_after(encode({NGHTTP2_HEADERS, 0, 1, testing::get_block()}), settings),
        NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, EndsAConnectionWhoseHeadersComeTooSlowly) {
    ServerSettings settings;
    settings.header_timeout = 50ms;
    EXPECT_EQ(goaway_after(get_frame(1).substr(0, 12), settings), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, HeadersThatHaveEndedAreNotTimed) {
    ServerSettings settings;
    settings.header_timeout = 50ms;
    settings.idle_timeout = 500ms;
    EXPECT_EQ(goaway_after(get_frame(1), settings), NGHTTP2_NO_ERROR);
}

TEST(Http2Limits, EndsAConnectionThatIsIdle) {
    ServerSettings settings;
    settings.idle_timeout = 50ms;
    EXPECT_EQ(goaway_after(get_frame(1), settings), NGHTTP2_NO_ERROR);
}

TEST(Http2Limits, ABodyThatDoesNotComeTimesOut) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.body_timeout = 50ms;
        std::optional<std::error_code> failed;
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                const auto body = co_await exchange.read_all(100);
                failed = body ? std::error_code() : body.error().code();
                (void)co_await exchange.send({408, {}, {}}, "late");
            },
            settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
            testing::header_block(
                {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})}));
        EXPECT_EQ((co_await client.next(NGHTTP2_HEADERS)).type, NGHTTP2_HEADERS);
        EXPECT_EQ(failed, make_error_code(CommonError::timeout));
        client.raw.close();
        co_await server.stop();
    });
}

TEST(Http2Limits, WhatTheHandlerDoesNotReadHoldsTheClient) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        ServerSettings settings;
        settings.http2.stream_window_bytes = 1000;
        async::Event read_now(executor);
        std::size_t got = 0;
        TestServer server(
            executor,
            [&](Exchange exchange) -> async::Task<void> {
                (void)co_await read_now.wait(1min);
                got = (co_await exchange.read_all(10'000)).value().size();
                (void)co_await exchange.send({}, "ok");
            },
            settings);
        FrameClient client(executor);
        co_await client.connect(server.port());
        (void)co_await client.next(NGHTTP2_SETTINGS);
        co_await client.send(encode({NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, {}}) +
                             encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                                 testing::header_block({{":method", "POST"}, {":scheme", "http"},
                                     {":path", "/"}, {":authority", "a"}})}) +
                             encode({NGHTTP2_DATA, 0, 1, std::string(1000, 'x')}) +
                             encode({NGHTTP2_PING, 0, 0, "12345678"}));
        // The answer to the ping comes behind any window update that there was.
        testing::Frame frame = co_await client.next();
        while (frame.type != NGHTTP2_PING) {
            EXPECT_FALSE(frame.type == NGHTTP2_WINDOW_UPDATE && frame.stream == 1);
            frame = co_await client.next();
        }
        read_now.set();
        do {
            frame = co_await client.next(NGHTTP2_WINDOW_UPDATE);
        } while (frame.type != 255 && frame.stream != 1);
        co_await client.send(
            encode({NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, std::string(500, 'y')}));
        EXPECT_EQ((co_await client.next(NGHTTP2_HEADERS)).type, NGHTTP2_HEADERS);
        EXPECT_EQ(got, 1500U);
        client.raw.close();
        co_await server.stop();
    });
}

TEST(Http2Limits, ABodyThatComesWithTheHeadIsNotLost) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        std::string got;
        TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
            EXPECT_EQ(exchange.content_length(), std::nullopt);
            got = as_text((co_await exchange.read_all(100)).value());
            (void)co_await exchange.send({}, "ok");
        });
        FrameClient client(executor);
        co_await client.connect(server.port());
        co_await client.send(encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                                 testing::header_block({{":method", "POST"}, {":scheme", "http"},
                                     {":path", "/"}, {":authority", "a"}})}) +
                             encode({NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "all of it"}));
        (void)co_await client.next(NGHTTP2_HEADERS);
        EXPECT_EQ(got, "all of it");
        client.raw.close();
        co_await server.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
