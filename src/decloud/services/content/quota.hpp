#pragma once

#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>

namespace decloud::services {

/// How much content an owner may keep here (design §3, Deploy).
struct QuotaRules {
    std::uint64_t free_bytes = 0;
    std::uint64_t bytes_per_usdc = 64 * kMiB;
    std::uint64_t max_bytes = kGiB;
    /// How long content stays after the money that paid for it is gone.
    std::chrono::seconds grace{24 * 3600};
};

/// `unclaimed`: reserved and not yet claimed, on the owner's channels that are not closing.
[[nodiscard]] std::uint64_t quota_bytes(const QuotaRules& rules, Amount unclaimed);

}  // namespace decloud::services
