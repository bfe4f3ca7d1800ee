#pragma once

#include <chrono>
#include <cstddef>

namespace decloud::node {

/// How many connections one tunnel should have: one while there is little to do, up to four under
/// load, so that a packet that is lost does not hold up all of it. Pure.
class TunnelDemand {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    enum class Advice { stay, open_one, close_one };

    /// To be asked every now and then: with the connections that are open, or being opened, and the
    /// requests under way on them.
    [[nodiscard]] Advice judge(std::size_t connections, std::size_t requests, TimePoint now);
    /// One that it had advised to open could not be.
    void failed(TimePoint now);

  private:
    /// Asked before, it would have been one more.
    bool was_busy_ = false;
    TimePoint quiet_since_ = TimePoint::max();
    TimePoint not_before_{};
};

}  // namespace decloud::node
