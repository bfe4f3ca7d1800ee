#pragma once

#include <algorithm>
#include <chrono>

namespace decloud::cli::internal {

/// How long to wait before a process that ended is started again: longer each time, and none after
/// it has run well for a while.
class RestartPause {
  public:
    static constexpr std::chrono::milliseconds kFirst{200};
    static constexpr std::chrono::milliseconds kLongest{5000};
    static constexpr std::chrono::seconds kRunsWell{60};

    /// `ran`: from its last start to its end.
    [[nodiscard]] std::chrono::milliseconds after(std::chrono::steady_clock::duration ran) {
        if (ran >= kRunsWell) {
            next_ = std::chrono::milliseconds(0);
        }
        const std::chrono::milliseconds pause = next_;
        next_ = std::min(2 * next_ + kFirst, kLongest);
        return pause;
    }

  private:
    std::chrono::milliseconds next_{0};
};

}  // namespace decloud::cli::internal
