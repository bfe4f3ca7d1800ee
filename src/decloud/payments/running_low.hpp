#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/units.hpp>

namespace decloud::payments {

/// True if under a tenth is left of what was reserved, or less than a day's use at the rate since
/// the channel was opened; the first day counts as a whole one. What `decloud status` says and the
/// operator's metric counts.
[[nodiscard]] bool is_running_low(
    Amount reserved, Amount spent, UnixSeconds opened, UnixSeconds now);

}  // namespace decloud::payments
