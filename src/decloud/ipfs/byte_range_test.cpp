#include "byte_range.hpp"

#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

ByteRange range(std::uint64_t first, std::uint64_t last) { return {.first = first, .last = last}; }

TEST(ByteRange, TakesTheFirstRangeThatThereIs) {
    EXPECT_EQ(choose_range("bytes=6-16", 31).range, range(6, 16));
    EXPECT_EQ(choose_range("bytes=6-", 31).range, range(6, 30));
    EXPECT_EQ(choose_range("bytes=-3", 31).range, range(28, 30));
    EXPECT_EQ(choose_range("bytes=-99", 31).range, range(0, 30));
    EXPECT_EQ(choose_range("bytes=30-99", 31).range, range(30, 30));
    EXPECT_EQ(choose_range("bytes=40-50, 1-2", 31).range, range(1, 2));
}

TEST(ByteRange, RefusesWhatLiesBeyondTheEnd) {
    EXPECT_TRUE(choose_range("bytes=31-40", 31).unsatisfiable);
    EXPECT_TRUE(choose_range("bytes=0-0", 0).unsatisfiable);
    EXPECT_TRUE(choose_range("bytes=-0", 31).unsatisfiable);
}

TEST(ByteRange, IgnoresWhatItCannotRead) {
    for (const char* header : {"", "bytes=", "bytes=a-b", "bytes=5-4", "items=0-1", "bytes=1",
             "bytes=0-0,", "bytes=99999999999999999999-", "bytes=--1",
             "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,0-0,1-1,2-2,3-3,4-4,5-5,6-6"}) {
        const RangeChoice choice = choose_range(header, 31);
        EXPECT_FALSE(choice.range || choice.unsatisfiable) << header;
    }
}

TEST(EntityBytes, CountFromBothEnds) {
    const auto clipped = [](const char* text) {
        return clip(parse_entity_bytes(text).value(), 1026);
    };
    EXPECT_EQ(clipped("0:*"), range(0, 1025));
    EXPECT_EQ(clipped("512:1023"), range(512, 1023));
    EXPECT_EQ(clipped("512:-256"), range(512, 770));
    EXPECT_EQ(clipped("-5:*"), range(1021, 1025));
    EXPECT_EQ(clipped("-9999:*"), range(0, 1025));
    EXPECT_EQ(clipped("-9999:-3"), range(0, 1023));
    EXPECT_EQ(clipped("1026:*"), std::nullopt);
    EXPECT_EQ(clipped("5:-2000"), std::nullopt);
    EXPECT_EQ(clipped("-9223372036854775808:9223372036854775807"), range(0, 1025));
}

TEST(EntityBytes, AreNumbersInTheirOrder) {
    for (const char* text : {"", "5", ":", "5:4", "-1:-2", "a:b", "*:5", "1:2:3"}) {
        EXPECT_EQ(parse_entity_bytes(text), std::nullopt) << text;
    }
}

}  // namespace

}  // namespace decloud::ipfs
