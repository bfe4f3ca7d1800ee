#pragma once

#include "completion.hpp"

#include <algorithm>
#include <deque>
#include <list>
#include <string>
#include <string_view>

namespace decloud::sandbox::internal {

/// Lets a bounded number in; others wait, a bounded number of them too. Places that become free go
/// round robin over the owners who wait, to each owner's calls in order; where the queue is full, a
/// call of an owner with fewer waiting takes the place of the newest of whoever has most. Single
/// threaded; outlives who is in it.
class Gate {
  public:
    Gate(async::Executor executor, std::size_t places, std::size_t queue)
        : executor_(std::move(executor)), free_(places), queue_(queue) {}

    /// True when inside: `leave` when done. False: the queue is full, or the gate was closed.
    [[nodiscard]] async::Task<bool> enter(std::string owner) {
        if (try_enter()) {
            co_return true;
        }
        if (closed_ || !make_room(owner)) {
            co_return false;
        }
        Turn turn(executor_);
        line_of(owner).turns.push_back(&turn);
        ++waiting_;
        co_await turn.called.wait();
        co_return turn.admitted;
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
        if (lines_.empty()) {
            ++free_;
            return;
        }
        Line& next = lines_.front();
        call(next.turns.front(), true);
        next.turns.pop_front();
        // The next place is for the next owner.
        if (next.turns.empty()) {
            lines_.pop_front();
        } else {
            lines_.splice(lines_.end(), lines_, lines_.begin());
        }
    }
    /// Sends everyone away.
    void close() {
        closed_ = true;
        for (const Line& line : std::exchange(lines_, {})) {
            for (Turn* turn : line.turns) {
                call(turn, false);
            }
        }
    }

  private:
    struct Turn {
        explicit Turn(const async::Executor& executor) : called(executor) {}
        Completion called;
        bool admitted = false;
    };
    /// Who waits of one owner; never empty but while it is made.
    struct Line {
        std::string owner;
        std::deque<Turn*> turns;
    };

    [[nodiscard]] Line& line_of(const std::string& owner) {
        const auto place = std::ranges::find(lines_, owner, &Line::owner);
        return place != lines_.end() ? *place
                                     : lines_.emplace_back(Line{.owner = owner, .turns = {}});
    }
    void call(Turn* turn, bool admitted) {
        --waiting_;
        turn->admitted = admitted;
        turn->called.set();
    }
    /// For one more of `owner`. False: the queue is full, and nobody has more waiting than that.
    [[nodiscard]] bool make_room(std::string_view owner) {
        if (waiting_ < queue_) {
            return true;
        }
        const auto longest = std::ranges::max_element(
            lines_, {}, [](const Line& line) { return line.turns.size(); });
        const auto own = std::ranges::find(lines_, owner, &Line::owner);
        const std::size_t waiting = own == lines_.end() ? 0 : own->turns.size();
        if (longest == lines_.end() || longest->turns.size() <= waiting + 1) {
            return false;
        }
        call(longest->turns.back(), false);
        longest->turns.pop_back();
        return true;
    }

    async::Executor executor_;
    std::size_t free_;
    std::size_t queue_;
    std::size_t waiting_ = 0;
    /// In the order in which the owners are served next.
    std::list<Line> lines_;
    bool closed_ = false;
};

}  // namespace decloud::sandbox::internal
