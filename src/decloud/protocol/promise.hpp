#pragma once

#include "call.hpp"
#include "service.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace decloud::protocol {

/// What `OpenCloud-Payment: defer;…` says: whose debt it is, and until when it will be paid.
struct Promise {
    /// The did:key that promises; it has to have signed the request.
    std::string id;
    /// The most that this request may add to the debt.
    Amount amount;
    AssetId currency;
    /// When it is paid at the latest.
    UnixSeconds due;
    /// What is owed is paid at once when it has come to so much.
    Amount threshold;
    /// A name of the debtor's own, so that a request that is sent again is no second promise; may
    /// be empty. At most 64 bytes.
    std::string key{};
    friend bool operator==(const Promise&, const Promise&) = default;
};

/// From a header of type `deferred`. Error: invalid_input saying what is missing.
[[nodiscard]] Result<Promise> parse_promise(const PaymentHeader& header);
/// The field's value. Error: invalid_input for what a structured field cannot carry.
[[nodiscard]] Result<std::string> format_promise(const Promise& promise);

/// What a node takes promises for.
struct PromiseLimits {
    /// What one id may owe, and all of them together.
    Amount per_id;
    Amount total;
    /// How far ahead `due` may lie.
    std::chrono::seconds time{};
    /// The least amount that is taken for this call.
    Amount least;
};
/// The least that is taken for a call of whoever makes it.
using LeastBidOf = std::function<Amount(const Call&, const Terms&)>;

/// Of whoever asks; none: no promise is taken.
using PromiseLimitsOf = std::function<std::optional<PromiseLimits>(const Call&, const Terms&)>;

}  // namespace decloud::protocol
