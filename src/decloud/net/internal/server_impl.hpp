#pragma once

#include "server_connection.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <variant>
#include <vector>

namespace decloud::net::http::internal {

/// What a Server and its connections share.
class ServerImpl : public std::enable_shared_from_this<ServerImpl> {
  public:
    using Acceptor =
        std::variant<boost::asio::ip::tcp::acceptor, boost::asio::local::stream_protocol::acceptor>;

    ServerImpl(async::Executor executor,
        Acceptor acceptor,
        Endpoint endpoint,
        ServerSettings settings,
        Handler handler);
    ~ServerImpl();

    [[nodiscard]] async::Task<void> run();
    /// Serves a connection besides those that it accepts; one too many is closed.
    void serve(net::internal::Socket socket);
    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace);

    [[nodiscard]] const async::Executor& executor() const { return executor_; }
    [[nodiscard]] const ServerSettings& settings() const { return settings_; }
    [[nodiscard]] const Handler& handler() const { return handler_; }
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
    [[nodiscard]] std::size_t connections() const { return connections_.size(); }
    /// A clock that is at most one sweep late.
    [[nodiscard]] TimePoint now() const { return now_; }
    [[nodiscard]] bool stopping() const { return stopping_; }

    void add(ServerConnection& connection);
    void remove(ServerConnection& connection);

  private:
    template <class OneAcceptor>
    [[nodiscard]] async::Task<void> accept_from(OneAcceptor& acceptor);
    void arm_sweep();
    void sweep();

    async::Executor executor_;
    Acceptor acceptor_;
    Endpoint endpoint_;
    ServerSettings settings_;
    Handler handler_;
    async::TaskGroup tasks_;
    std::vector<ServerConnection*> connections_;
    async::Event room_;
    async::Event empty_;
    boost::asio::steady_timer sweep_timer_;
    std::chrono::milliseconds sweep_interval_;
    bool sweep_armed_ = false;
    TimePoint now_;
    bool running_ = false;
    bool stopping_ = false;
    async::Event run_ended_;
};

}  // namespace decloud::net::http::internal
