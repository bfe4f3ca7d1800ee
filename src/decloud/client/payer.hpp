#pragma once

#include "replay_body.hpp"
#include "request_signer.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>
#include <decloud/registry/provider.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace decloud::client {

/// One way to who answers a request.
struct RequestRoute {
    net::Url url;
    /// Sent byte for byte.
    std::string target;
    /// For errors: "the gateway at http://127.0.0.1:8080".
    std::string name;
};

/// A request that may be paid for.
struct PayableRequest {
    /// Tried in this order while one cannot be reached at all.
    std::vector<RequestRoute> routes;
    std::string method = "GET";
    /// Without Host and framing.
    net::http::Headers headers;
    /// None: no body. Whoever made it stops it when the answer has been read.
    std::shared_ptr<ReplayBody> body;
    /// One of ours that serves it, if that is known.
    std::optional<registry::Provider> provider;
    /// Signs it each time it is sent; null: it is not signed.
    std::shared_ptr<RequestSigner> signer{};
};

/// The answer to a request, paid for or not. Move-only; as `net::http::ClientResponse` otherwise.
class Answer {
  public:
    explicit Answer(net::http::ClientResponse response);
    /// One that was read whole already.
    Answer(net::http::ResponseHead head, Bytes body);

    /// Live as long as this.
    [[nodiscard]] const net::http::ResponseHead& head() const;
    [[nodiscard]] int status() const { return head().status; }
    [[nodiscard]] std::optional<std::uint64_t> content_length() const;
    /// As ClientResponse's.
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer);
    [[nodiscard]] net::http::Headers trailers() const;
    void abort();

    /// Why it was not paid for though a way to pay was asked; none if it was or needed not be.
    [[nodiscard]] const std::optional<Error>& not_paid() const { return not_paid_; }
    void set_not_paid(Error reason) { not_paid_ = std::move(reason); }
    /// Called once with the trailers when the body has ended well.
    void on_end(std::function<void(const net::http::Headers&)> action) {
        on_end_ = std::move(action);
    }

  private:
    struct Whole {
        net::http::ResponseHead head;
        Bytes body;
        std::size_t read = 0;
    };
    std::variant<net::http::ClientResponse, Whole> source_;
    std::optional<Error> not_paid_;
    std::function<void(const net::http::Headers&)> on_end_;
};

/// A way to pay for requests. Single threaded.
class PaymentStrategy {
  public:
    virtual ~PaymentStrategy() = default;
    /// Whether this is a way to pay for `request`; may ask the chain. What it cannot find out is an
    /// error.
    [[nodiscard]] virtual async::Task<Result<bool>> can_pay(PayableRequest request) = 0;
    /// Sends it over `route`, as often as this way of paying needs, and pays within the limits at
    /// most once. Errors: ClientError::payment if it would pass a limit; NetError, of which
    /// `never_arrived` ones mean that nothing was paid.
    [[nodiscard]] virtual async::Task<Result<Answer>> send(
        PayableRequest request, RequestRoute route) = 0;
};

/// True for errors after which a request has not reached anybody.
[[nodiscard]] bool never_arrived(const Error& error);

/// `request` over `route`, with `more` headers over its own, signed if it has a signer; once more
/// if the node wants another nonce, which nothing was paid for. Errors: NetError, the body's.
[[nodiscard]] async::Task<Result<net::http::ClientResponse>> send_once(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    PayableRequest request,
    RequestRoute route,
    net::http::Headers more = {});

/// Sends requests and pays for them by the first strategy that can. Single threaded.
class Payer {
  public:
    /// `client` outlives it. Without strategies nothing is paid for.
    Payer(net::http::Client& client, std::vector<std::unique_ptr<PaymentStrategy>> strategies)
        : client_(client), strategies_(std::move(strategies)) {}

    /// Errors: as `PaymentStrategy::send`, naming the route.
    [[nodiscard]] async::Task<Result<Answer>> send(PayableRequest request);

  private:
    [[nodiscard]] async::Task<Result<Answer>> send_over(
        PaymentStrategy* strategy, PayableRequest request, RequestRoute route);

    net::http::Client& client_;
    std::vector<std::unique_ptr<PaymentStrategy>> strategies_;
};

}  // namespace decloud::client
