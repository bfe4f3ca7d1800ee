#pragma once

#include "frame.hpp"

namespace decloud::net::websocket {

/// Follows where the frames of one direction begin and end while their bytes pass by, whatever
/// extension gave their reserved bits a meaning. Single threaded.
class FrameTracker {
  public:
    /// `sender` decides whether frames have to be masked.
    explicit FrameTracker(Role sender) : sender_(sender) {}

    /// Takes all of `bytes`.
    void pass(BytesView bytes);
    /// Takes as much of `bytes` as the frame under way still has, nothing between two frames.
    /// Returns how many bytes that were.
    [[nodiscard]] std::size_t pass_rest(BytesView bytes);

    /// The next byte begins a frame: another one may be put before it.
    [[nodiscard]] bool between_frames() const { return !lost_ && left_ == 0 && head_.empty(); }
    /// A Close frame has begun: no other frame may follow.
    [[nodiscard]] bool closing() const { return closing_; }

  private:
    /// Takes bytes up to the end of the frame under way, or of the next one.
    std::size_t take(BytesView bytes);

    Role sender_;
    /// Of a head that is not whole.
    Bytes head_;
    /// Of the payload under way.
    std::uint64_t left_ = 0;
    bool closing_ = false;
    /// What passes is no WebSocket.
    bool lost_ = false;
};

}  // namespace decloud::net::websocket
