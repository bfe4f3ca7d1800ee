#pragma once

#include "task.hpp"

#include <decloud/base/result.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>

namespace decloud::async {

/// A flag that tasks wait for. Single threaded: used on its executor. Outlives its waiters.
class Event {
  public:
    /// Not set. `executor` is the one on which it is used.
    explicit Event(Executor executor);
    /// Wakes every waiter; later waits return at once until `reset()`.
    void set();
    /// Later waiters wait again for the next `set()`.
    void reset() { set_ = false; }
    /// True between `set()` and `reset()`.
    [[nodiscard]] bool is_set() const { return set_; }
    /// Errors: timeout; cancelled when the waiting task is.
    [[nodiscard]] Task<Result<void>> wait(std::chrono::steady_clock::duration limit);

  private:
    Executor executor_;
    bool set_ = false;
    std::uint64_t generation_ = 0;
    boost::asio::steady_timer wakeup_;
};

}  // namespace decloud::async
