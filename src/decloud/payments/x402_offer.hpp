#pragma once

#include "x402_settlements.hpp"

#include <decloud/base/json.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <string>

namespace decloud::payments {

/// What a 402 says of x402: where the request went, what it costs.
struct X402Offer {
    std::string resource;
    std::string description;
    Amount price;
};

/// What a header that a server sends holds at most where that is possible; intermediaries refuse
/// longer ones.
inline constexpr std::size_t kX402HeaderGoal = 2048;

/// The absolute URL of a request, by its Host; `public_url` stands in where there is none.
[[nodiscard]] std::string resource_url(
    const net::http::RequestHead& head, const std::string& public_url);
/// A row of v1's `accepts`; for a chain that has a v1 name.
[[nodiscard]] json::Object x402_v1_row(
    const X402Offer& offer, const X402Settings& settings, const X402Token& token);
/// The value of `PAYMENT-REQUIRED` (v2), below `kX402HeaderGoal` if leaving out what is optional
/// does it.
[[nodiscard]] std::string x402_payment_required(const X402Offer& offer,
    const std::string& error,
    const X402Settings& settings,
    const X402Token& token);
/// `X-PAYMENT-RESPONSE` (v1) or `PAYMENT-RESPONSE` (v2). `error` is empty for a success.
[[nodiscard]] protocol::HeaderFields x402_response(int version,
    const X402Settings& settings,
    const Address& payer,
    const Bytes32& transaction,
    const std::string& error);

}  // namespace decloud::payments
