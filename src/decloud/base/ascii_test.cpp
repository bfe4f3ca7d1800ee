#include "ascii.hpp"

#include <gtest/gtest.h>

#include <string>

namespace decloud {
namespace {

TEST(Ascii, OnlyTheTwentySixLettersChange) {
    for (int value = 0; value < 256; ++value) {
        const char character = static_cast<char>(value);
        const bool upper = value >= 0x41 && value <= 0x5a;
        EXPECT_EQ(to_lower(character), upper ? static_cast<char>(value + 0x20) : character);
    }
}

TEST(Ascii, TextKeepsBytesThatAreNoLetters) {
    EXPECT_EQ(to_lower("Content-TYPE: \xc3\x84@[`{"), "content-type: \xc3\x84@[`{");
    EXPECT_EQ(to_lower(std::string_view("A\0B", 3)), std::string("a\0b", 3));
}

TEST(Ascii, NamesAreEqualWhateverTheirCaseAndOnlyIfAsLong) {
    EXPECT_TRUE(equals_ignoring_case("Host", "hOST"));
    EXPECT_TRUE(equals_ignoring_case("", ""));
    EXPECT_FALSE(equals_ignoring_case("Host", "Hosts"));
    EXPECT_FALSE(equals_ignoring_case("Host", ""));
    // 0x20 apart, yet no letters.
    EXPECT_FALSE(equals_ignoring_case("@", "`"));
    EXPECT_FALSE(equals_ignoring_case("[", "{"));
}

}  // namespace
}  // namespace decloud
