#include "quota.hpp"

#include <algorithm>

namespace decloud::services {

std::uint64_t quota_bytes(const QuotaRules& rules, Amount unclaimed) {
    constexpr Uint128 kUnitsPerUsdc = 1'000'000;
    const auto limit = Uint128{rules.max_bytes};
    const auto usdc_units = std::min(unclaimed.units(), Uint128{1} << 80U);
    const Uint128 paid = std::min(limit, usdc_units * rules.bytes_per_usdc / kUnitsPerUsdc);
    return static_cast<std::uint64_t>(std::min(limit, paid + rules.free_bytes));
}

}  // namespace decloud::services
