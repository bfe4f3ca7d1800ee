#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace decloud::net::http::internal {

/// How far the receiving window of one HTTP/2 stream should be open: four times what is read of it
/// in a round trip, so that neither the way's length nor an update that is late slows the sender
/// down. One that nobody reads stays as it is. Pure.
class WindowGrowth {
  public:
    using Duration = std::chrono::steady_clock::duration;
    using TimePoint = std::chrono::steady_clock::time_point;

    /// In bytes; `most` of 0 is never to grow.
    WindowGrowth(std::int32_t initial, std::int32_t most)
        : initial_(initial), window_(initial), most_(most) {}

    /// `bytes` were read at `now`. The window that would be right, if it is a larger one.
    [[nodiscard]] std::optional<std::int32_t> read(
        std::size_t bytes, TimePoint now, Duration round_trip);
    /// It was opened so far.
    void grown_to(std::int32_t window) { window_ = window; }
    [[nodiscard]] std::int32_t window() const { return window_; }
    /// Beyond what it was at first.
    [[nodiscard]] std::int32_t grown_by() const { return window_ - initial_; }

  private:
    std::int32_t initial_;
    std::int32_t window_;
    std::int32_t most_;
    /// Of half a window, since when.
    std::size_t read_ = 0;
    std::optional<TimePoint> since_;
};

}  // namespace decloud::net::http::internal
