#include "running_low.hpp"

#include <algorithm>

namespace decloud::payments {

namespace {
constexpr std::uint64_t kSecondsPerDay = 86'400;
}

bool is_running_low(Amount reserved, Amount spent, UnixSeconds opened, UnixSeconds now) {
    const Uint128 left = reserved.saturating_minus(spent).units();
    const std::uint64_t age = now.value > opened.value ? now.value - opened.value : 0;
    const Uint128 a_day = spent.units() * kSecondsPerDay / std::max(age, kSecondsPerDay);
    return left * 10 < reserved.units() || left < a_day;
}

}  // namespace decloud::payments
