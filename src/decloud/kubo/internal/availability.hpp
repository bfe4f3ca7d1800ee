#pragma once

#include <decloud/base/result.hpp>

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

namespace decloud::kubo::internal {

/// After a failure, calls are refused at once with its error, but for one in a while that
/// finds out whether it is over. So who is slow or gone holds up no threads. Thread safe.
class Availability {
  public:
    using Time = std::chrono::steady_clock::time_point;
    /// How long after a failure, and how long between two tries, calls are refused.
    explicit Availability(std::chrono::milliseconds between_tries)
        : between_tries_(between_tries) {}

    /// Why no call is made now; nothing: the caller makes one and says how it went.
    [[nodiscard]] std::optional<Error> refuse(Time now) {
        const std::lock_guard lock(mutex_);
        if (!error_ || now >= next_try_) {
            next_try_ = now + between_tries_;
            return std::nullopt;
        }
        return error_;
    }
    void succeeded() {
        const std::lock_guard lock(mutex_);
        error_.reset();
    }
    void failed(Error error, Time now) {
        const std::lock_guard lock(mutex_);
        error_ = std::move(error);
        next_try_ = now + between_tries_;
    }

  private:
    const std::chrono::milliseconds between_tries_;
    std::mutex mutex_;
    std::optional<Error> error_;
    Time next_try_;
};

}  // namespace decloud::kubo::internal
