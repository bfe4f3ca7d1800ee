#pragma once

#include "admission.hpp"

#include <decloud/protocol/promise.hpp>

namespace decloud::policy {

/// What the policy's `defer` rules allow to whoever makes a call: of equally close ones the least
/// of each bound. None where no rule says it, or one says nothing may be owed. `keeper` and `clock`
/// outlive it.
[[nodiscard]] protocol::PromiseLimitsOf make_promise_limits(
    AdmissionSettings settings, const PolicyKeeper& keeper, const Clock& clock);

/// The least that is taken for a call, by the policy's `accept` and `min-payment`; the price where
/// nothing says less. `keeper` and `clock` outlive it.
[[nodiscard]] protocol::LeastBidOf make_least_bid(
    AdmissionSettings settings, const PolicyKeeper& keeper, const Clock& clock);

}  // namespace decloud::policy
