#pragma once

#include "payer.hpp"
#include "promise_book.hpp"

#include <chrono>
#include <string>

namespace decloud::client {

/// What is promised for requests to one node.
struct PromisePayerSettings {
    /// The node's audience and how it was named.
    std::string provider;
    std::string node;
    AssetId currency;
    /// The most for one request.
    Amount amount;
    /// From the request to when it is paid at the latest.
    std::chrono::seconds time{3600};
    Amount threshold{100'000};
};

/// Promises to pay for signed requests later. Single threaded.
class PromisePayer final : public PaymentStrategy {
  public:
    /// `client`, `book` and `clock` outlive it.
    PromisePayer(net::http::Client& client,
        PromiseBook& book,
        PromisePayerSettings settings,
        const Clock& clock)
        : client_(client), book_(book), settings_(std::move(settings)), clock_(clock) {}

    [[nodiscard]] async::Task<Result<bool>> can_pay(PayableRequest request) override;
    [[nodiscard]] async::Task<Result<Answer>> send(
        PayableRequest request, RequestRoute route) override;

  private:
    void record(
        const protocol::Promise& promise, const net::http::Headers& fields, bool was_refused);

    net::http::Client& client_;
    PromiseBook& book_;
    PromisePayerSettings settings_;
    const Clock& clock_;
};

}  // namespace decloud::client
