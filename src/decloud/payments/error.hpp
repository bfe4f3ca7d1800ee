#pragma once

#include <system_error>

namespace decloud {

/// Why money was not held, extended, committed or released.
enum class PaymentError {
    /// Not enough left to spend; the detail says how much is available.
    insufficient_funds = 1,
    /// No money of this payer is known here (no channel, no trial).
    unknown_payer,
    /// The channel is closing, final or stopped; the detail is the reason.
    payer_stopped,
    /// The idempotency key was used; `Ledger::idempotency` tells by which call and how it ended.
    already_used,
    /// The idempotency key's time has passed, or lies further ahead than the ledger keeps keys.
    expired,
    /// A cap on calls is used up; the detail names the counter.
    counter_exhausted,
    /// The slice that this node leased is used up while the payer has more: `Ledger::acquire`
    /// leases it.
    slice_exhausted,
    /// A bound on what is owed and not yet settled would be passed; the detail says which.
    exposure_limit,
    /// Too many calls or keys at once.
    overloaded,
    /// The hold ended already or never was.
    unknown_hold,
    /// More than was held.
    exceeds_hold,
};

/// The code in the category "payments".
std::error_code make_error_code(PaymentError code);

}  // namespace decloud

/// Lets a PaymentError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::PaymentError> : std::true_type {};
