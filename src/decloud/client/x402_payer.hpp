#pragma once

#include "account_signer.hpp"
#include "payer.hpp"
#include "spending.hpp"
#include "x402_challenge.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/net/http/client.hpp>

#include <string>
#include <vector>

namespace decloud::client {

/// A payment that is signed and may leave.
struct SignedX402Payment {
    /// "X-PAYMENT" or "PAYMENT-SIGNATURE", and its value.
    std::string header;
    std::string value;
};

/// `terms` of `challenge`, signed under `nonce` until `valid_before`. Errors: the signer's.
[[nodiscard]] Result<SignedX402Payment> sign_x402_payment(const X402Challenge& challenge,
    const X402Terms& terms,
    const AccountSigner& signer,
    const Bytes32& nonce,
    UnixSeconds valid_before);

/// Pays any server that asks by x402's scheme `exact` (EIP-3009), v1 or v2: sends the request
/// without a payment, and if the answer is a 402 with a row in one of `tokens`, once more with one.
/// A second 402 is the answer. An amount is booked before its signature leaves.
class X402Payer final : public PaymentStrategy {
  public:
    /// All of them outlive it.
    X402Payer(net::http::Client& client,
        const AccountSigner& signer,
        SpendingBook& book,
        std::vector<TokenId> tokens,
        const Clock& clock)
        : client_(client),
          signer_(signer),
          book_(book),
          tokens_(std::move(tokens)),
          clock_(clock) {}

    /// True: whether it is x402's is seen by the answer.
    [[nodiscard]] async::Task<Result<bool>> can_pay(PayableRequest request) override;
    [[nodiscard]] async::Task<Result<Answer>> send(
        PayableRequest request, RequestRoute route) override;

  private:
    /// A payment on its way.
    struct Booking {
        std::int64_t id = 0;
        Amount amount;
        SignedX402Payment payment;
    };
    [[nodiscard]] Result<Booking> prepare(const PayableRequest& request,
        const RequestRoute& route,
        const X402Challenge& challenge,
        const X402Terms& terms);
    [[nodiscard]] async::Task<Result<Answer>> pay(
        PayableRequest request, RequestRoute route, Booking booking);
    void record(const Booking& booking, const net::http::ResponseHead& head);

    net::http::Client& client_;
    const AccountSigner& signer_;
    SpendingBook& book_;
    std::vector<TokenId> tokens_;
    const Clock& clock_;
};

/// Whom a day's limit is of: the provider's address, or the origin where the request goes.
[[nodiscard]] std::string payee_name(const PayableRequest& request, const RequestRoute& route);
/// What is called, without the query, which may hold secrets.
[[nodiscard]] std::string resource_name(const RequestRoute& route);

}  // namespace decloud::client
