#pragma once

#include "../error.hpp"
#include "../http/http2_link.hpp"
#include "../websocket/byte_stream.hpp"

#include <decloud/async/task_group.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <memory>
#include <utility>

namespace decloud::net::testing {

/// One end of a pair of connected sockets.
class PairStream final : public Stream {
  public:
    explicit PairStream(boost::asio::local::stream_protocol::socket socket)
        : socket_(std::move(socket)) {}
    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        boost::system::error_code error;
        const std::size_t got =
            co_await socket_.async_read_some(boost::asio::buffer(buffer.data(), buffer.size()),
                boost::asio::redirect_error(boost::asio::use_awaitable, error));
        if (error && error != boost::asio::error::eof) {
            co_return fail(NetError::connection_closed);
        }
        co_return got;
    }
    async::Task<Result<void>> write(BytesView bytes) override {
        boost::system::error_code error;
        co_await boost::asio::async_write(socket_, boost::asio::buffer(bytes.data(), bytes.size()),
            boost::asio::redirect_error(boost::asio::use_awaitable, error));
        if (error) {
            co_return fail(NetError::connection_closed);
        }
        co_return Result<void>{};
    }
    void shutdown_write() override {
        boost::system::error_code ignored;
        socket_.shutdown(boost::asio::socket_base::shutdown_send, ignored);
    }
    void close() override {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }

  private:
    boost::asio::local::stream_protocol::socket socket_;
};

/// A requester and a responder, with a WebSocket between them as a tunnel has it.
class Link {
  public:
    Link(async::Executor executor,
        http::Handler handler,
        http::Liveness liveness = {},
        http::Http2Settings http2 = http::shared_link_settings())
        : tasks_(executor) {
        boost::asio::local::stream_protocol::socket here(executor);
        boost::asio::local::stream_protocol::socket there(executor);
        boost::asio::local::connect_pair(here, there);
        requester = std::make_unique<http::Http2Requester>(executor,
            std::make_unique<websocket::ByteStream>(
                std::make_unique<PairStream>(std::move(here)), websocket::Role::server),
            http::ClientSettings{}, http2, liveness);
        http::ServerSettings server;
        server.http2 = http2;
        responder = std::make_unique<http::Http2Responder>(executor,
            std::make_unique<websocket::ByteStream>(
                std::make_unique<PairStream>(std::move(there)), websocket::Role::client),
            PeerAddress{}, server, std::move(handler), http::Liveness{});
        tasks_.spawn(requester->run());
    }
    void answer() { tasks_.spawn(responder->run()); }
    async::Task<void> stop() {
        requester->close();
        responder->close();
        co_await tasks_.join();
    }

    std::unique_ptr<http::Http2Requester> requester;
    std::unique_ptr<http::Http2Responder> responder;

  private:
    async::TaskGroup tasks_;
};

}  // namespace decloud::net::testing
