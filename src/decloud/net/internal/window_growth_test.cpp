#include "window_growth.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace decloud::net::http::internal {
namespace {

using namespace std::chrono_literals;

constexpr std::int32_t kInitial = 64 * 1024;
constexpr std::int32_t kMost = 8 * 1024 * 1024;
constexpr std::size_t kChunk = 16 * 1024;

/// The window after ten seconds of a sender that is as quick as its line, and as its window lets
/// it be.
std::int32_t settled(std::size_t line_bytes_per_second, std::chrono::milliseconds round_trip) {
    WindowGrowth growth(kInitial, kMost);
    WindowGrowth::TimePoint now{};
    const WindowGrowth::TimePoint end = now + 10s;
    while (now < end) {
        const auto by_window = static_cast<std::size_t>(growth.window()) * 1000 /
                               static_cast<std::size_t>(round_trip.count());
        const std::size_t rate = std::min(line_bytes_per_second, by_window);
        now += std::chrono::microseconds(kChunk * 1'000'000 / rate);
        if (const auto wished = growth.read(kChunk, now, round_trip)) {
            growth.grown_to(*wished);
        }
    }
    return growth.window();
}

TEST(WindowGrowth, CoversBandwidthTimesDelay) {
    // 10 MB/s over 50 ms: 500 kB are under way.
    EXPECT_GE(settled(10'000'000, 50ms), 1'000'000);
    EXPECT_LE(settled(10'000'000, 50ms), 4'000'000);
    EXPECT_GE(settled(10'000'000, 10ms), 200'000);
    EXPECT_LE(settled(10'000'000, 10ms), 800'000);
}

TEST(WindowGrowth, StaysWhereTheFirstWindowIsEnough) {
    EXPECT_EQ(settled(100'000, 50ms), kInitial);
    EXPECT_EQ(settled(10'000'000, 1ms), kInitial);
}

TEST(WindowGrowth, HasABound) {
    EXPECT_EQ(settled(1'000'000'000, 200ms), kMost);
    WindowGrowth never(kInitial, 0);
    WindowGrowth::TimePoint now{};
    for (int index = 0; index < 100; ++index) {
        EXPECT_FALSE(never.read(kInitial, now, 1s).has_value());
    }
}

TEST(WindowGrowth, NeedsAMeasuredRoundTrip) {
    WindowGrowth growth(kInitial, kMost);
    const WindowGrowth::TimePoint now{};
    for (int index = 0; index < 100; ++index) {
        EXPECT_FALSE(growth.read(kInitial, now, 0s).has_value());
    }
}

}  // namespace
}  // namespace decloud::net::http::internal
