#pragma once

#include "../address.hpp"
#include "../stream.hpp"
#include "../tls/server_context.hpp"
#include "http2_settings.hpp"
#include "message.hpp"
#include "parser.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace decloud::net::http {

namespace internal {
class ExchangePort;
class Http2Exchange;
class ServerConnection;
class ServerImpl;
}  // namespace internal

/// One request and the way to answer it. Move-only. Valid until its handler returns; afterwards
/// every call fails with `wrong_state`. Single threaded. One read and one write may be pending at
/// a time. A task's arguments live until the task ends.
class Exchange {
  public:
    Exchange(Exchange&&) noexcept;
    Exchange& operator=(Exchange&&) noexcept;
    ~Exchange();

    /// Lives until the handler returns.
    [[nodiscard]] const RequestHead& request() const;
    /// Who is at the other end of the connection. Lives until the handler returns.
    [[nodiscard]] const PeerAddress& peer() const;
    /// The body's length if it is known; 0 if there is none; nothing if it is chunked.
    [[nodiscard]] std::optional<std::uint64_t> content_length() const;
    /// True if the client waits for `100 Continue` and has not got it.
    [[nodiscard]] bool expects_continue() const;

    /// Bytes of the body; 0 is its end. The first call sends `100 Continue` if the client expects
    /// it. Errors: timeout, connection_closed, malformed_message.
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer);
    /// The rest of the body. Error also: limit_exceeded when it is longer than `max_bytes`; then
    /// an answer can still be sent.
    [[nodiscard]] async::Task<Result<Bytes>> read_all(std::uint64_t max_bytes);
    /// The fields after a chunked body; complete once `read` has given 0.
    [[nodiscard]] const Headers& trailers() const;

    /// The whole answer in one write. Sets Content-Length, Date and Connection; a HEAD request's
    /// body is not sent. Errors: connection_closed, timeout, wrong_state if one was started,
    /// invalid_input if a field cannot be sent.
    [[nodiscard]] async::Task<Result<void>> send(ResponseHead head, Bytes body);
    [[nodiscard]] async::Task<Result<void>> send(ResponseHead head, std::string body);
    /// Starts an answer whose body follows by `write`: chunked unless the head has Content-Length;
    /// ended by closing for HTTP/1.0. Errors as `send`.
    [[nodiscard]] async::Task<Result<void>> start(ResponseHead head);
    /// Sends a part of the body; ends when all but a bounded rest is with the operating system, so
    /// a client that does not read holds the handler. More than Content-Length is `wrong_state`.
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes);
    /// Ends the body. Trailers are sent only if the body is chunked.
    [[nodiscard]] async::Task<Result<void>> finish(Headers trailers = {});
    /// Answers a CONNECT by 200. What follows on the connection are requests to this server,
    /// `through_connect()`: nothing is dialled. Errors as `send`; malformed_message if anything was
    /// sent ahead of the answer.
    [[nodiscard]] async::Task<Result<void>> accept_connect();
    /// True if a CONNECT was accepted on this connection.
    [[nodiscard]] bool through_connect() const;
    /// True once an answer was started or sent.
    [[nodiscard]] bool answered() const;

    /// Closes (HTTP/2: resets the stream) so that the client sees a broken answer. A handler that
    /// returns in the middle of one does the same.
    void abort();
    /// Cancelled when the client closes or the connection fails while the handler runs, also while
    /// nobody reads the body. (A client that ends only its sending direction counts as gone.)
    [[nodiscard]] async::CancellationToken hang_up();

    /// Answers 101 (a CONNECT: 200) and gives the bytes of both directions, which outlive the
    /// handler. Over HTTP/2 for WebSockets only (RFC 8441). Errors as `send`; wrong_state.
    [[nodiscard]] async::Task<Result<std::unique_ptr<Stream>>> upgrade(ResponseHead head);

  private:
    friend class internal::ServerConnection;
    friend class internal::Http2Exchange;
    Exchange(std::shared_ptr<internal::ExchangePort> connection, std::uint64_t serial);
    std::shared_ptr<internal::ExchangePort> connection_;
    std::uint64_t serial_;
};

/// Answers one request. An exception is a bug: it is logged, and the client gets 500 and the end of
/// the connection. A handler that returns without an answer gives 500, too.
using Handler = std::function<async::Task<void>(Exchange)>;

/// Time-outs and limits of a server.
struct ServerSettings {
    Limits limits;
    /// From the first byte of a request until its head is complete: 408.
    std::chrono::milliseconds header_timeout{10'000};
    /// Between two parts of a body that a handler waits for.
    std::chrono::milliseconds body_timeout{30'000};
    /// Between two requests of a connection.
    std::chrono::milliseconds idle_timeout{75'000};
    /// How long a client may read nothing while we have something to send.
    std::chrono::milliseconds write_timeout{60'000};
    std::size_t max_connections = 8192;
    /// What is buffered of later requests, or of a body nobody reads, before reading stops.
    std::size_t max_pipelined_bytes = 64 * 1024;
    /// What is read and thrown away of a body that its handler did not want; beyond it the
    /// connection is closed.
    std::uint64_t max_drained_bytes = 256 * 1024;
    /// Of HTTP/1. If parsed, the handler gets CONNECT, and one of each connection may be accepted;
    /// any other answer ends the connection.
    ConnectRequests connect = ConnectRequests::refused;
    /// Limits of HTTP/2 connections.
    Http2Settings http2;
    /// If set, every connection speaks TLS.
    std::shared_ptr<TlsServerContext> tls{};
};

/// Serves HTTP/1.1, 1.0 and 2 on one socket: HTTP/2 by ALPN, or without TLS by its preface. Single
/// threaded: used on its executor.
class Server {
  public:
    /// Binds and listens. A Unix socket gets mode 0600; a stale one, to which nobody listens, is
    /// replaced. Errors: address_in_use naming the port, invalid_input, permission_denied, io.
    [[nodiscard]] static Result<std::unique_ptr<Server>> listen(
        async::Executor executor, Endpoint endpoint, ServerSettings settings, Handler handler);
    /// `stop` must have ended, or `run` never have been called.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// With the port that was chosen.
    [[nodiscard]] Endpoint local_endpoint() const;
    /// Accepts until `stop`.
    [[nodiscard]] async::Task<void> run();
    /// Accepts nothing more, closes idle connections, lets running handlers end for up to `grace`,
    /// then cuts them off; ends when all handlers have ended.
    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace);
    /// How many are open, idle ones included.
    [[nodiscard]] std::size_t connections() const;

  private:
    explicit Server(std::shared_ptr<internal::ServerImpl> impl);
    std::shared_ptr<internal::ServerImpl> impl_;
};

}  // namespace decloud::net::http
