#pragma once

#include "account_signer.hpp"
#include "chain_session.hpp"
#include "payer.hpp"
#include "spending.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/net/http/client.hpp>

#include <chrono>
#include <map>
#include <optional>

namespace decloud::client {

/// Pays one of our providers from the account's open pull channel, by a `CallAuthorization` for
/// each request. The body is read whole before it is sent, as its digest is signed.
class AuthorizationPayer final : public PaymentStrategy {
  public:
    /// With `max_price` that is signed; 0 only says who calls. Otherwise the channel's price is,
    /// and without a channel this is no way to pay. All outlive it.
    AuthorizationPayer(net::http::Client& client,
        ChainSession& session,
        const AccountSigner& key,
        SpendingBook& book,
        std::optional<Amount> max_price,
        const Clock& clock)
        : client_(client),
          session_(session),
          key_(key),
          book_(book),
          max_price_(max_price),
          clock_(clock) {}

    [[nodiscard]] async::Task<Result<bool>> can_pay(PayableRequest request) override;
    [[nodiscard]] async::Task<Result<Answer>> send(
        PayableRequest request, RequestRoute route) override;

  private:
    struct Known {
        std::optional<Amount> price;
        std::chrono::steady_clock::time_point when;
    };
    /// Of the open channel with a provider; asked again after some seconds.
    [[nodiscard]] async::Task<Result<std::optional<Amount>>> price_with(Address provider);
    [[nodiscard]] Result<std::int64_t> book(const PayableRequest& request,
        const RequestRoute& route,
        const Address& provider,
        Amount amount,
        UnixSeconds now);
    void record(std::int64_t id, const net::http::ResponseHead& head);

    net::http::Client& client_;
    ChainSession& session_;
    const AccountSigner& key_;
    SpendingBook& book_;
    std::optional<Amount> max_price_;
    const Clock& clock_;
    std::map<Address, Known> known_;
};

}  // namespace decloud::client
