#pragma once

#include <cstddef>
#include <cstdint>

namespace decloud::gateway {

/// What one address, payer or deployment may ask of a gateway. 0: no limit.
struct RequestLimit {
    std::uint32_t per_second = 0;
    /// At once, after a pause; 0: as many as in a second.
    std::uint32_t burst = 0;
    /// Under way at a time.
    std::uint32_t concurrent = 0;

    [[nodiscard]] bool is_set() const { return per_second > 0 || concurrent > 0; }
};

/// The limits of a gateway, each for every address (IPv4, or the /64 of an IPv6 address), for every
/// payer at every provider, and for every deployment.
struct RequestLimits {
    RequestLimit address;
    RequestLimit payer;
    RequestLimit deployment;
    /// Of each kind are remembered; beyond it the one that was idle for the longest is forgotten.
    std::size_t max_remembered = 65'536;
};

}  // namespace decloud::gateway
