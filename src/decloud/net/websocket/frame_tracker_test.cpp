#include "frame_tracker.hpp"

#include <gtest/gtest.h>

namespace decloud::net::websocket {
namespace {

Bytes frame(Opcode opcode, std::size_t size) {
    Bytes out = encode_frame_head(opcode, size, std::nullopt);
    out.resize(out.size() + size, 'x');
    return out;
}

TEST(FrameTracker, KnowsWhereFramesEndHoweverTheyAreCut) {
    Bytes frames;
    std::vector<std::size_t> ends{0};
    for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 65'535UL, 65'536UL}) {
        append(frames, frame(Opcode::binary, size));
        ends.push_back(frames.size());
    }
    for (const std::size_t step : {1UL, 2UL, 7UL, 4096UL, frames.size()}) {
        FrameTracker tracker(Role::server);
        for (std::size_t at = 0; at < frames.size();) {
            EXPECT_EQ(tracker.between_frames(), std::ranges::binary_search(ends, at)) << at;
            const std::size_t size = std::min(step, frames.size() - at);
            tracker.pass(BytesView(frames).subspan(at, size));
            at += size;
        }
        EXPECT_TRUE(tracker.between_frames());
        EXPECT_FALSE(tracker.closing());
    }
}

TEST(FrameTracker, TakesTheRestOfAFrameAndNothingOfTheNext) {
    Bytes both = frame(Opcode::text, 200);
    const std::size_t first = both.size();
    append(both, frame(Opcode::text, 10));
    for (const std::size_t passed : {1UL, 3UL, 4UL, 100UL}) {
        FrameTracker tracker(Role::server);
        tracker.pass(BytesView(both).first(passed));
        EXPECT_EQ(tracker.pass_rest(BytesView(both).subspan(passed)), first - passed);
        EXPECT_TRUE(tracker.between_frames());
        EXPECT_EQ(tracker.pass_rest(BytesView(both).subspan(first)), 0U);
    }
    FrameTracker tracker(Role::server);
    tracker.pass(BytesView(both).first(10));
    EXPECT_EQ(tracker.pass_rest(BytesView(both).subspan(10, 50)), 50U);
    EXPECT_FALSE(tracker.between_frames()) << "the frame goes on";
}

TEST(FrameTracker, AnExtensionsReservedBitsAreNoError) {
    Bytes compressed = frame(Opcode::text, 5);
    compressed.front() |= 0x40U;
    FrameTracker tracker(Role::server);
    tracker.pass(compressed);
    EXPECT_TRUE(tracker.between_frames());
}

TEST(FrameTracker, SeesTheCloseFrame) {
    FrameTracker tracker(Role::server);
    tracker.pass(BytesView(frame(Opcode::close, 2)).first(2));
    EXPECT_TRUE(tracker.closing());
}

TEST(FrameTracker, WhatIsNoWebSocketNeverComesBetweenFrames) {
    FrameTracker tracker(Role::server);
    tracker.pass(as_bytes("any text"));
    EXPECT_FALSE(tracker.between_frames());
    EXPECT_EQ(tracker.pass_rest(as_bytes("more")), 4U);
}

}  // namespace
}  // namespace decloud::net::websocket
