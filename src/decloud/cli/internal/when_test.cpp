#include "when.hpp"

#include <gtest/gtest.h>

namespace decloud::cli::internal {
namespace {

constexpr UnixSeconds kNow{1'790'000'000};

TEST(When, IsFromNowOrADayOrATime) {
    EXPECT_EQ(parse_when("90s", kNow).value().value, kNow.value + 90);
    EXPECT_EQ(parse_when("15m", kNow).value().value, kNow.value + 900);
    EXPECT_EQ(parse_when("12h", kNow).value().value, kNow.value + 43'200);
    EXPECT_EQ(parse_when("30d", kNow).value().value, kNow.value + 2'592'000);
    EXPECT_EQ(format_utc(parse_when("2026-12-31", kNow).value()), "2026-12-31T00:00:00Z");
    EXPECT_EQ(format_utc(parse_when("2028-02-29T23:59:58Z", kNow).value()), "2028-02-29T23:59:58Z");
}

TEST(When, RefusesWhatIsNoTime) {
    for (const char* text : {"", "d", "1", "1.5d", "-1d", "99999999999999999999d", "999999999d",
             "2026-13-01", "2026-02-30", "1969-12-31", "2026-12-31T24:00:00Z",
             "2026-12-31T12:00:00", "2026-12-31T12:00:00+01:00", "tomorrow"}) {
        EXPECT_FALSE(parse_when(text, kNow)) << text;
    }
}

}  // namespace
}  // namespace decloud::cli::internal
