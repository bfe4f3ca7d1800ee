#pragma once

#include "completion.hpp"

#include <deque>

namespace decloud::sandbox::internal {

/// Lets a bounded number in; others wait in order, a bounded number of them too. Single threaded;
/// outlives who is in it.
class Gate {
  public:
    Gate(async::Executor executor, std::size_t places, std::size_t queue)
        : executor_(std::move(executor)), free_(places), queue_(queue) {}

    /// True when inside: `leave` when done. False: the queue is full or the gate was closed.
    [[nodiscard]] async::Task<bool> enter() {
        if (closed_) {
            co_return false;
        }
        if (free_ > 0) {
            --free_;
            co_return true;
        }
        if (waiting_.size() >= queue_) {
            co_return false;
        }
        Completion turn(executor_);
        waiting_.push_back(&turn);
        co_await turn.wait();
        co_return !closed_;
    }
    /// The same without waiting.
    [[nodiscard]] bool try_enter() {
        if (closed_ || free_ == 0) {
            return false;
        }
        --free_;
        return true;
    }
    void leave() {
        if (waiting_.empty()) {
            ++free_;
            return;
        }
        Completion* next = waiting_.front();
        waiting_.pop_front();
        next->set();
    }
    /// Sends everyone away.
    void close() {
        closed_ = true;
        for (Completion* turn : std::exchange(waiting_, {})) {
            turn->set();
        }
    }

  private:
    async::Executor executor_;
    std::size_t free_;
    std::size_t queue_;
    std::deque<Completion*> waiting_;
    bool closed_ = false;
};

}  // namespace decloud::sandbox::internal
