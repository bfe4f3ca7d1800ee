#include "tunnel_demand.hpp"

#include <gtest/gtest.h>

namespace decloud::node {
namespace {

using namespace std::chrono_literals;

constexpr TunnelDemand::TimePoint kStart{1h};

/// Connections, from `connections` on, after `requests` were under way for so long.
std::size_t after(TunnelDemand& demand,
    std::size_t connections,
    std::size_t requests,
    std::chrono::seconds how_long,
    TunnelDemand::TimePoint from = kStart) {
    for (auto now = from; now < from + how_long; now += 250ms) {
        switch (demand.judge(connections, requests, now)) {
            case TunnelDemand::Advice::open_one:
                ++connections;
                break;
            case TunnelDemand::Advice::close_one:
                --connections;
                break;
            case TunnelDemand::Advice::stay:
                break;
        }
    }
    return connections;
}

TEST(TunnelDemand, IsOneConnectionWhileThereIsLittleToDo) {
    TunnelDemand demand;
    EXPECT_EQ(after(demand, 1, 0, 60s), 1U);
    EXPECT_EQ(after(demand, 1, 4, 60s), 1U);
}

TEST(TunnelDemand, IsUpToFourUnderLoad) {
    TunnelDemand demand;
    EXPECT_EQ(after(demand, 1, 8, 60s), 2U);
    EXPECT_EQ(after(demand, 1, 64, 60s), 4U);
    EXPECT_EQ(after(demand, 1, 4000, 60s), 4U);
}

TEST(TunnelDemand, PassesOverOneMomentOfLoad) {
    TunnelDemand demand;
    EXPECT_EQ(demand.judge(1, 100, kStart), TunnelDemand::Advice::stay);
    EXPECT_EQ(demand.judge(1, 0, kStart + 250ms), TunnelDemand::Advice::stay);
    EXPECT_EQ(demand.judge(1, 100, kStart + 500ms), TunnelDemand::Advice::stay);
    EXPECT_EQ(demand.judge(1, 100, kStart + 750ms), TunnelDemand::Advice::open_one);
}

TEST(TunnelDemand, GoesBackToOneWhenTheLoadHasGone) {
    TunnelDemand demand;
    EXPECT_EQ(after(demand, 4, 0, 9s), 4U) << "not at once";
    EXPECT_EQ(after(demand, 4, 0, 60s, kStart + 9s), 1U);
}

TEST(TunnelDemand, DoesNotGoToAndFro) {
    for (std::size_t requests = 0; requests < 40; ++requests) {
        TunnelDemand demand;
        const std::size_t settled = after(demand, 1, requests, 60s);
        EXPECT_EQ(after(demand, settled, requests, 120s, kStart + 60s), settled) << requests;
    }
}

TEST(TunnelDemand, WaitsAfterAFailure) {
    TunnelDemand demand;
    demand.failed(kStart);
    EXPECT_EQ(after(demand, 1, 64, 29s), 1U);
    EXPECT_EQ(after(demand, 1, 64, 10s, kStart + 29s), 4U);
}

TEST(TunnelDemand, LeavesTheFirstConnectionToWhoKeepsIt) {
    TunnelDemand demand;
    EXPECT_EQ(after(demand, 0, 64, 60s), 0U);
}

}  // namespace
}  // namespace decloud::node
