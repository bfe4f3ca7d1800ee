#include "tunnel_demand.hpp"

#include <utility>

namespace decloud::node {

namespace {

constexpr std::size_t kMostConnections = 4;
/// Requests under way, for each connection, that are worth another one.
constexpr std::size_t kBusy = 4;
/// How long one connection less would have done before one goes.
constexpr std::chrono::seconds kQuiet{10};
constexpr std::chrono::seconds kPauseAfterFailure{30};

}  // namespace

TunnelDemand::Advice TunnelDemand::judge(
    std::size_t connections, std::size_t requests, TimePoint now) {
    const bool busy = requests > kBusy * connections;
    const bool stays_busy = std::exchange(was_busy_, busy) && busy;
    if (stays_busy && connections > 0 && connections < kMostConnections && now >= not_before_) {
        was_busy_ = false;
        return Advice::open_one;
    }
    // Half of what would bring it back: not to and fro.
    if (connections < 2 || 2 * requests > kBusy * (connections - 1)) {
        quiet_since_ = TimePoint::max();
    } else if (quiet_since_ == TimePoint::max()) {
        quiet_since_ = now;
    } else if (now - quiet_since_ >= kQuiet) {
        quiet_since_ = TimePoint::max();
        return Advice::close_one;
    }
    return Advice::stay;
}

void TunnelDemand::failed(TimePoint now) { not_before_ = now + kPauseAfterFailure; }

}  // namespace decloud::node
