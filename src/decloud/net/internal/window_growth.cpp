#include "window_growth.hpp"

#include <algorithm>

namespace decloud::net::http::internal {

std::optional<std::int32_t> WindowGrowth::read(
    std::size_t bytes, TimePoint now, Duration round_trip) {
    if (!since_) {
        since_ = now;
        return std::nullopt;
    }
    read_ += bytes;
    if (read_ < static_cast<std::size_t>(window_) / 2) {
        return std::nullopt;
    }
    // Half of four times a round trip's bytes take two round trips.
    const bool too_soon = now - *since_ < 2 * round_trip;
    read_ = 0;
    since_ = now;
    if (!too_soon || window_ >= most_) {
        return std::nullopt;
    }
    return window_ > most_ / 2 ? most_ : 2 * window_;
}

}  // namespace decloud::net::http::internal
