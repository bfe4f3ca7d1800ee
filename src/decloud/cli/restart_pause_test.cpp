#include "internal/restart_pause.hpp"

#include <gtest/gtest.h>

namespace decloud::cli::internal {
namespace {

using std::chrono::milliseconds;

TEST(RestartPause, GrowsWhileAProcessKeepsEnding) {
    RestartPause pause;
    EXPECT_EQ(pause.after(milliseconds(5)), milliseconds(0));
    EXPECT_EQ(pause.after(milliseconds(5)), milliseconds(200));
    EXPECT_EQ(pause.after(milliseconds(5)), milliseconds(600));
    for (int i = 0; i < 10; ++i) {
        EXPECT_LE(pause.after(milliseconds(5)), RestartPause::kLongest);
    }
    EXPECT_EQ(pause.after(milliseconds(5)), RestartPause::kLongest);
}

TEST(RestartPause, IsNoneAgainAfterAProcessHasRunWell) {
    RestartPause pause;
    for (int i = 0; i < 10; ++i) {
        (void)pause.after(milliseconds(5));
    }
    EXPECT_EQ(pause.after(RestartPause::kRunsWell - milliseconds(1)), RestartPause::kLongest);
    EXPECT_EQ(pause.after(RestartPause::kRunsWell), milliseconds(0));
    EXPECT_EQ(pause.after(milliseconds(5)), RestartPause::kFirst);
}

}  // namespace
}  // namespace decloud::cli::internal
