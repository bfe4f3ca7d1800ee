#pragma once

#include "owner_charging.hpp"

#include <decloud/identity/eip712.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <memory>

namespace decloud::payments {

/// `OpenCloud-Payment: attached;method="authorization";payload=:…:` with an EIP-712
/// `CallAuthorization` (design §3): the payer's own channel pays, at most `maxPrice`, once. With
/// maxPrice 0 it only says who asks.
[[nodiscard]] std::unique_ptr<protocol::PaymentMethod> make_authorization_method(
    EscrowCharging& charging, identity::Domain domain);

/// How far ahead `validBefore` may lie.
inline constexpr std::uint64_t kLongestAuthorizationSeconds = 600;

}  // namespace decloud::payments
