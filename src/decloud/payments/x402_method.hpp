#pragma once

#include "x402_settlements.hpp"

#include <decloud/protocol/payment_method.hpp>

#include <memory>

namespace decloud::payments {

/// x402's scheme `exact` by EIP-3009, v1 and v2: the request brings the signed transfer of exactly
/// its price. It is used once, for one request; its transfer is sent when the call has run, and the
/// answer leaves when the transfer is in a block (or as `X402Mode` says). Once something was sent,
/// no refusal asks for another payment. `settlements` outlives the method.
[[nodiscard]] std::unique_ptr<protocol::PaymentMethod> make_x402_method(
    X402Settlements& settlements);

}  // namespace decloud::payments
