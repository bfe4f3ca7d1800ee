#pragma once

#include "client.hpp"
#include "http2_settings.hpp"
#include "server.hpp"

#include <chrono>
#include <memory>
#include <string_view>

namespace decloud::net::http {

namespace internal {
class Http2Client;
class Http2Server;
}  // namespace internal

/// When the other end of a link is asked whether it lives, and taken for dead.
struct Liveness {
    std::chrono::milliseconds ping_after{5'000};
    std::chrono::milliseconds dead_after{12'000};
};

/// For a link that many clients' requests share: what is meant for one of them is not to end it,
/// and who does not read is not to hold up the others.
[[nodiscard]] Http2Settings shared_link_settings();

/// The client's side of HTTP/2 on a byte stream that somebody else has opened. Single threaded.
class Http2Requester {
  public:
    /// Takes `stream` over. Of `settings`: head_timeout, idle_timeout and the limits. `scheme` is
    /// what requests say of themselves.
    Http2Requester(async::Executor executor,
        std::unique_ptr<Stream> stream,
        const ClientSettings& settings,
        const Http2Settings& http2,
        Liveness liveness,
        std::string_view scheme = "http");
    /// `run` must have ended, or never have been called.
    ~Http2Requester();
    Http2Requester(const Http2Requester&) = delete;
    Http2Requester& operator=(const Http2Requester&) = delete;

    /// Serves until the link ends.
    [[nodiscard]] async::Task<void> run();
    /// As `Client::request`; `Expect` is not waited for. Errors: connect_failed if the other end
    /// did nothing about it (it drains), timeout, connection_closed, malformed_message,
    /// body_source_failed, invalid_input.
    [[nodiscard]] async::Task<Result<ClientResponse>> request(ClientRequest request);
    /// Tells the other end, and ends with the last request.
    void drain();
    /// Breaks what is under way, and ends.
    void close();
    /// True if nothing new can be asked.
    [[nodiscard]] bool ended() const;
    /// Requests under way.
    [[nodiscard]] std::size_t active() const;

  private:
    std::shared_ptr<internal::Http2Client> session_;
};

/// The server's side of the same.
class Http2Responder {
  public:
    /// Takes `stream` over; `peer` is what the handler is told. Nothing is sent before `run`.
    Http2Responder(async::Executor executor,
        std::unique_ptr<Stream> stream,
        PeerAddress peer,
        const ServerSettings& settings,
        Handler handler,
        Liveness liveness);
    /// `run` must have ended, or never have been called.
    ~Http2Responder();
    Http2Responder(const Http2Responder&) = delete;
    Http2Responder& operator=(const Http2Responder&) = delete;

    /// Serves until the link ends.
    [[nodiscard]] async::Task<void> run();
    /// Tells the other end, takes what that has sent by then and nothing new, and ends with the
    /// last request.
    void drain();
    /// Breaks what is under way, and ends.
    void close();
    /// Requests under way.
    [[nodiscard]] std::size_t active() const;

  private:
    std::shared_ptr<internal::Http2Server> session_;
};

}  // namespace decloud::net::http
