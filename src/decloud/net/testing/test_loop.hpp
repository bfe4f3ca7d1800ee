#pragma once

#include "../http/server.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace decloud::net::testing {

/// Runs one test's coroutine to its end, for at most a minute.
inline void run_loop(std::function<async::Task<void>(async::Executor)> body) {
    boost::asio::io_context io(1);
    bool ended = false;
    boost::asio::co_spawn(io, body(io.get_executor()), [&](std::exception_ptr error) {
        ended = true;
        if (error) {
            std::rethrow_exception(error);
        }
    });
    io.run_for(std::chrono::minutes(1));
    ASSERT_TRUE(ended) << "the test did not end";
}

/// A server on a free port of loopback.
class TestServer {
  public:
    TestServer(async::Executor executor,
        http::Handler handler,
        http::ServerSettings settings = {},
        Endpoint endpoint = {IpAddress::v4({127, 0, 0, 1}), 0, {}})
        : group_(executor) {
        server_ = http::Server::listen(executor, std::move(endpoint), settings, std::move(handler))
                      .value();
        group_.spawn(server_->run());
    }
    [[nodiscard]] std::uint16_t port() const { return server_->local_endpoint().port; }
    [[nodiscard]] http::Server& server() { return *server_; }
    [[nodiscard]] std::string url() const {
        return "http://" + server_->local_endpoint().to_string();
    }
    async::Task<void> stop(std::chrono::milliseconds grace = std::chrono::milliseconds(1000)) {
        co_await server_->stop(grace);
        co_await group_.join();
    }

  private:
    async::TaskGroup group_;
    std::unique_ptr<http::Server> server_;
};

/// A client that sends bytes as they are.
class RawClient {
  public:
    explicit RawClient(async::Executor executor) : socket(executor) {}

    async::Task<void> connect(std::uint16_t port) {
        co_await socket.async_connect(
            {boost::asio::ip::address_v4::loopback(), port}, boost::asio::use_awaitable);
    }
    async::Task<void> send(std::string bytes) {
        boost::system::error_code ignored;
        co_await boost::asio::async_write(socket, boost::asio::buffer(bytes),
            boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    /// Reads until `end` has arrived; what came after it stays in `received`.
    async::Task<std::string> read_until(std::string end) {
        while (received.find(end) == std::string::npos && co_await read_some()) {
        }
        const std::size_t at = received.find(end);
        const std::size_t size = at == std::string::npos ? received.size() : at + end.size();
        std::string taken = received.substr(0, size);
        received.erase(0, size);
        co_return taken;
    }
    /// Reads until the server closes; `reset` says how.
    async::Task<std::string> read_to_end() {
        while (co_await read_some()) {
        }
        co_return std::exchange(received, {});
    }
    async::Task<bool> read_some() {
        std::array<char, 4096> buffer{};
        boost::system::error_code error;
        const std::size_t got = co_await socket.async_read_some(boost::asio::buffer(buffer),
            boost::asio::redirect_error(boost::asio::use_awaitable, error));
        received.append(buffer.data(), got);
        reset = reset || (error && error != boost::asio::error::eof);
        co_return !error;
    }
    void close() {
        boost::system::error_code ignored;
        socket.close(ignored);
    }

    boost::asio::ip::tcp::socket socket;
    std::string received;
    bool reset = false;
};

/// Connects, sends, reads to the end.
inline async::Task<std::string> talk(
    async::Executor executor, std::uint16_t port, std::string bytes) {
    RawClient client(executor);
    co_await client.connect(port);
    co_await client.send(std::move(bytes));
    co_return co_await client.read_to_end();
}

}  // namespace decloud::net::testing
