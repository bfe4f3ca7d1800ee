#include "frame_tracker.hpp"

#include <algorithm>

namespace decloud::net::websocket {

namespace {

constexpr std::uint8_t kReservedBits = 0x70;

}  // namespace

void FrameTracker::pass(BytesView bytes) {
    while (!bytes.empty()) {
        bytes = bytes.subspan(take(bytes));
    }
}

std::size_t FrameTracker::pass_rest(BytesView bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && !between_frames()) {
        taken += take(bytes.subspan(taken));
    }
    return taken;
}

std::size_t FrameTracker::take(BytesView bytes) {
    if (lost_) {
        return bytes.size();
    }
    if (left_ > 0) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        left_ -= size;
        return size;
    }
    head_.push_back(bytes.front());
    if (head_.size() == 1) {
        head_.front() &= static_cast<std::uint8_t>(~kReservedBits);
    }
    const auto head = parse_frame_head(head_, sender_);
    if (!head) {
        lost_ = true;
    } else if (const auto& known = *head) {
        left_ = known->length;
        closing_ = closing_ || known->opcode == Opcode::close;
        head_.clear();
    }
    return 1;
}

}  // namespace decloud::net::websocket
