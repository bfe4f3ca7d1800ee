#pragma once

#include "owner_charging.hpp"

#include <decloud/identity/eip712.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace decloud::payments {

/// Decrypts a JWE for this provider's RSA keys, off the executor. Errors: as identity::Jwe.
using KeyOpener = std::function<async::Task<Result<Bytes>>(std::string jwe)>;

/// Which channels are taken, and how many at once.
struct WindowSettings {
    /// Channels with less are refused, so that claiming never costs more than it brings.
    Amount least_budget{Uint128{100'000}};
    /// Windows that are open at once; 64 bytes of key and times each.
    std::size_t max_windows = 200'000;
};

/// `OpenCloud-Payment: attached;method="window"`: calls spend what a voucher of the channel's
/// signer allows, each with a MAC over channel, sequence and RequestDigest by a key that only the
/// client and this provider have, so that one signature pays for many calls (payments reference
/// §6). The same sequence with the same request is a repeat, with another one 409. Refusals say
/// what is known of the channel, so that a client that has lost its state can go on. `charging` and
/// what `opener` uses outlive the method.
[[nodiscard]] std::unique_ptr<protocol::PaymentMethod> make_window_method(
    EscrowCharging& charging, identity::Domain domain, KeyOpener opener, WindowSettings settings);

}  // namespace decloud::payments
