#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace decloud {

/// Seconds since 1970-01-01T00:00:00Z, as Ethereum and HTTP signatures count them.
struct UnixSeconds {
    std::uint64_t value = 0;
    friend auto operator<=>(UnixSeconds, UnixSeconds) = default;
};

/// Where time comes from, so that tests can set it. Thread safe.
class Clock {
  public:
    virtual ~Clock() = default;
    /// The time in UTC; may jump when the clock is set. Not for measuring intervals.
    [[nodiscard]] virtual std::chrono::system_clock::time_point now() const = 0;
    /// The same in whole seconds, rounded down.
    [[nodiscard]] UnixSeconds unix_seconds() const;
};

/// The machine's clock. Lives as long as the program.
[[nodiscard]] const Clock& system_clock();

/// A clock that stands still until it is moved. For tests.
class ManualClock final : public Clock {
  public:
    /// Stands at `start`.
    explicit ManualClock(UnixSeconds start) { set(start); }
    [[nodiscard]] std::chrono::system_clock::time_point now() const override { return now_; }
    /// Moves to `time`, forwards or back. Not while another thread reads it.
    void set(UnixSeconds time) {
        now_ = std::chrono::system_clock::time_point(std::chrono::seconds(time.value));
    }
    /// Moves on by `by`, back if that is negative. Not while another thread reads it.
    void advance(std::chrono::system_clock::duration by) { now_ += by; }

  private:
    std::chrono::system_clock::time_point now_;
};

/// "2026-11-21T03:10:45Z".
[[nodiscard]] std::string format_utc(UnixSeconds time);

}  // namespace decloud
