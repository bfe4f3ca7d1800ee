#include "../testing/http2_frames.hpp"
#include "../testing/link.hpp"

#include <decloud/async/event.hpp>

#include <gtest/gtest.h>

#include <string>

namespace decloud::net::http {
namespace {

using namespace std::chrono_literals;
using testing::encode;
using testing::Frame;
using testing::FrameClient;
using testing::header_block;
using testing::Link;
using testing::PairStream;
using testing::run_loop;
namespace asio = boost::asio;

constexpr std::uint32_t kFirstWindow = 64 * 1024;
constexpr std::uint32_t kChunk = 16 * 1024;

/// A server far away: it answers one GET with as many bytes as the stream's window lets it send,
/// and each PING after 50 ms.
class FarServer {
  public:
    explicit FarServer(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

    /// Until the stream's window was opened by more than was read, or the connection ends.
    async::Task<bool> grows() {
        co_await send(encode({NGHTTP2_SETTINGS, 0, 0, {}}));
        while (sent_ + kFirstWindow >= credit_) {
            if (begun_ && sent_ + kChunk <= credit_) {
                co_await send(encode({NGHTTP2_DATA, 0, 1, std::string(kChunk, 'z')}));
                sent_ += kChunk;
                continue;
            }
            const Frame frame = co_await next();
            if (frame.type == 255) {
                co_return false;
            }
            co_await take(frame);
        }
        co_return true;
    }
    void close() { stream_->close(); }

  private:
    async::Task<void> take(Frame frame) {
        if (frame.type == NGHTTP2_HEADERS) {
            begun_ = true;
            co_await send(encode({NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                header_block({{":status", "200"}})}));
        } else if (frame.type == NGHTTP2_WINDOW_UPDATE && frame.stream == 1) {
            credit_ += FrameClient::number(frame.payload);
        } else if (frame.type == NGHTTP2_PING && frame.flags == 0) {
            const auto then = std::chrono::steady_clock::now() + 50ms;
            while (std::chrono::steady_clock::now() < then) {
            }
            co_await send(encode({NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame.payload}));
        }
    }
    async::Task<void> send(std::string bytes) { (void)co_await stream_->write(as_bytes(bytes)); }
    async::Task<Frame> next() {
        const auto size = [this] {
            return FrameClient::number(std::string_view(received_).substr(0, 3)) + 9;
        };
        while (received_.size() < 9 || received_.size() < size()) {
            Bytes buffer(4096);
            const auto got = co_await stream_->read(buffer);
            if (!got || *got == 0) {
                co_return Frame{255, 0, 0, {}};
            }
            received_ += as_text(BytesView(buffer).first(*got));
            if (received_.starts_with(testing::kPreface)) {
                received_.erase(0, testing::kPreface.size());
            }
        }
        const Frame frame{static_cast<std::uint8_t>(received_[3]),
            static_cast<std::uint8_t>(received_[4]), FrameClient::number(received_.substr(5, 4)),
            received_.substr(9, size() - 9)};
        received_.erase(0, size());
        co_return frame;
    }

    std::unique_ptr<Stream> stream_;
    std::string received_;
    bool begun_ = false;
    std::uint64_t credit_ = kFirstWindow;
    std::uint64_t sent_ = 0;
};

TEST(Http2Window, GrowsForAStreamThatIsReadQuicklyOverALongWay) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        asio::local::stream_protocol::socket here(executor);
        asio::local::stream_protocol::socket there(executor);
        asio::local::connect_pair(here, there);
        Http2Requester requester(executor, std::make_unique<PairStream>(std::move(here)),
            ClientSettings{}, shared_link_settings(), Liveness{});
        FarServer server(std::make_unique<PairStream>(std::move(there)));
        async::TaskGroup tasks(executor);
        tasks.spawn(requester.run());
        tasks.spawn([](Http2Requester* from) -> async::Task<void> {
            auto answer = co_await from->request({.target = "/", .headers = {{"Host", "a"}}});
            EXPECT_TRUE(answer.has_value());
            Bytes buffer(kChunk);
            while (answer) {
                const auto got = co_await answer->read(buffer);
                if (!got || *got == 0) {
                    break;
                }
            }
        }(&requester));
        EXPECT_TRUE(co_await server.grows());
        server.close();
        requester.close();
        co_await tasks.join();
    });
}

TEST(Http2Window, OfAStreamThatIsNotReadAnyMoreLeavesTheOthersTheirs) {
    constexpr std::size_t kBody = 8'000'000;
    Http2Settings small = shared_link_settings();
    small.connection_window_bytes = 512 * 1024;
    run_loop([small](async::Executor executor) -> async::Task<void> {
        Link link(
            executor,
            [](Exchange exchange) -> async::Task<void> {
                (void)co_await exchange.start({});
                std::size_t left = kBody;
                while (left > 0 && co_await exchange.write(Bytes(kChunk))) {
                    left -= std::min<std::size_t>(left, kChunk);
                }
                (void)co_await exchange.finish({});
            },
            {}, small);
        link.answer();
        // It has read, so that its window may have grown; then it stops.
        auto stalled =
            co_await link.requester->request({.target = "/", .headers = {{"Host", "a"}}});
        EXPECT_TRUE(stalled.has_value());
        Bytes buffer(kChunk);
        for (std::size_t read = 0; read < kBody / 2;) {
            const auto got = co_await stalled->read(buffer);
            EXPECT_TRUE(got && *got > 0);
            if (!got || *got == 0) {
                break;
            }
            read += *got;
        }
        async::TaskGroup reading(executor);
        for (int index = 0; index < 4; ++index) {
            reading.spawn([](Http2Requester* requester) -> async::Task<void> {
                auto answer =
                    co_await requester->request({.target = "/", .headers = {{"Host", "a"}}});
                EXPECT_TRUE(answer.has_value());
                const auto body = co_await answer->read_all(2 * kBody);
                EXPECT_TRUE(body.has_value() && body->size() >= kBody);
            }(link.requester.get()));
        }
        co_await reading.join();
        co_await link.stop();
    });
}

}  // namespace
}  // namespace decloud::net::http
