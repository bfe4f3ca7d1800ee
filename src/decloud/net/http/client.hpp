#pragma once

#include "../outbound_policy.hpp"
#include "../stream.hpp"
#include "../url.hpp"
#include "message.hpp"
#include "parser.hpp"
#include "proxy_rules.hpp"

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
#include <variant>

namespace decloud::net::http {

namespace internal {
class ClientImpl;
class Http2Client;
class ResponsePort;
}  // namespace internal

/// A body that is made while it is sent. `read` gives bytes, 0 at the end; an error aborts the
/// request. It is called by one task at a time, beside the caller of `Client::request`, and never
/// again once the response is finished, aborted or destroyed (a call that is then pending is
/// cancelled).
struct BodySource {
    std::function<async::Task<Result<std::size_t>>(std::span<std::uint8_t>)> read;
    /// Nothing: chunked.
    std::optional<std::uint64_t> length{};
    /// Asked for after the end of a chunked body; may be empty.
    std::function<Headers()> trailers{};
};

/// One request; its body is nothing, bytes in memory, or made while it is sent.
struct ClientRequest {
    std::string method = "GET";
    /// Sent byte for byte; empty: the URL's.
    std::string target{};
    /// Host is set from the URL unless it is here. Framing and Connection are the client's own.
    /// With `Expect: 100-continue` a BodySource is not read before the server asks for it (or
    /// `ClientSettings::continue_timeout` has passed).
    Headers headers{};
    std::variant<std::monostate, Bytes, BodySource> body{};
    /// Called for each interim `100 Continue`; may be empty.
    std::function<void()> on_continue{};
};

/// A response whose body may still be arriving. Move-only; destroying it before the end of the body
/// closes the connection. Single threaded.
class ClientResponse {
  public:
    ClientResponse(ClientResponse&&) noexcept;
    ClientResponse& operator=(ClientResponse&&) noexcept;
    ~ClientResponse();

    /// The final response's head, not an interim one's, and its status. Lives as long as this.
    [[nodiscard]] const ResponseHead& head() const;
    [[nodiscard]] int status() const { return head().status; }
    /// The body's length if it is known; 0 if there is none.
    [[nodiscard]] std::optional<std::uint64_t> content_length() const;
    /// Bytes of the body; 0 is its end. Errors: timeout, connection_closed (also a body that was
    /// cut short), malformed_message.
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer);
    /// The rest of the body. Error also: limit_exceeded.
    [[nodiscard]] async::Task<Result<Bytes>> read_all(std::uint64_t max_bytes);
    /// Complete once `read` has given 0.
    [[nodiscard]] const Headers& trailers() const;
    /// Closes the connection and stops the request's body.
    void abort();
    /// After 101 (or HTTP/2's like of it): the bytes of both directions. Error: wrong_state.
    [[nodiscard]] Result<std::unique_ptr<Stream>> upgrade();

  private:
    friend class internal::ClientImpl;
    friend class internal::Http2Client;
    explicit ClientResponse(std::shared_ptr<internal::ResponsePort> call);
    std::shared_ptr<internal::ResponsePort> call_;
};

/// Time-outs and limits of a client. A time-out that passes is the error `timeout`.
struct ClientSettings {
    Limits limits;
    /// Name resolution, connection and TLS handshake.
    std::chrono::milliseconds connect_timeout{10'000};
    /// From the end of the request (or its last sent part) to the response's head.
    std::chrono::milliseconds head_timeout{60'000};
    /// Without a byte in either direction while a body is under way.
    std::chrono::milliseconds idle_timeout{60'000};
    /// How long an unused connection is kept.
    std::chrono::milliseconds pool_timeout{30'000};
    std::chrono::milliseconds continue_timeout{5'000};
    std::size_t max_idle_per_host = 64;
    /// An idempotent request that a pooled connection took without an answer is sent again on a new
    /// one (RFC 9110 §9.2.2). False where a request may cost money: then only what cannot have
    /// reached the server whole is sent again.
    bool replay_idempotent = true;
    /// HTTP/2 is offered to https servers (ALPN): several requests then share a connection. Without
    /// it, and for upgrades, HTTP/1.1 is spoken.
    bool http2 = false;
    /// PEM file with certificates to trust besides the system's; empty: none.
    std::string ca_file;
    /// What is asked through a proxy: http by absolute URLs, https through CONNECT. The proxy looks
    /// up the name then, and the OutboundPolicy judges the proxy's address alone. Null: nothing.
    std::shared_ptr<const ProxyRules> proxies;
};

/// HTTP client with a pool of connections. Follows no redirects, retries only a replayable
/// request on a pooled connection that turned out dead before a byte was received (see
/// `ClientSettings::replay_idempotent`). Single threaded.
class Client {
  public:
    /// `policy` is asked before each dial. Dials nothing yet.
    Client(async::Executor executor, ClientSettings settings, OutboundPolicy policy);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Ends when the response's head is there; the body may still be sent. Errors: name_not_found,
    /// connect_failed, address_forbidden, tls_failed, timeout, connection_closed,
    /// malformed_message, body_source_failed, invalid_input (something that cannot be sent, a proxy
    /// that is none).
    [[nodiscard]] async::Task<Result<ClientResponse>> request(Url url, ClientRequest request);
    /// Closes every connection and waits for what still runs. Call before the executor ends.
    [[nodiscard]] async::Task<void> stop();
    /// How many connections were made; for tests and metrics.
    [[nodiscard]] std::uint64_t connections_made() const;

  private:
    std::shared_ptr<internal::ClientImpl> impl_;
};

}  // namespace decloud::net::http
