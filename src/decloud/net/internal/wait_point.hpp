#pragma once

#include <decloud/async/task.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace decloud::net::internal {

/// Where one coroutine waits to be woken, without a timer or an allocation of its own. Single
/// threaded. If it is destroyed, so is the coroutine that waits.
class WaitPoint {
  public:
    explicit WaitPoint(async::Executor executor) : executor_(std::move(executor)) {}
    WaitPoint(const WaitPoint&) = delete;
    WaitPoint& operator=(const WaitPoint&) = delete;

    [[nodiscard]] bool occupied() const { return waiter_.has_value(); }

    /// Resumes the waiter at once, on the caller's stack. Nothing happens if there is none.
    void wake() {
        if (waiter_) {
            Waiter waiter = std::move(*waiter_);
            waiter_.reset();
            std::move(waiter)();
        }
    }

    /// Ends when woken, when the waiting task is cancelled, or for no reason: check the condition
    /// again. One waiter at a time.
    [[nodiscard]] async::Task<void> wait() {
        return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void()>(
            [this](auto handler) {
                auto slot = boost::asio::get_associated_cancellation_slot(handler);
                if (slot.is_connected()) {
                    // The slot may keep this longer than the wait, and than the wait point, lasts.
                    slot.assign([this, alive = std::weak_ptr<bool>(alive_)](
                                    boost::asio::cancellation_type) {
                        if (alive.expired()) {
                            return;
                        }
                        // The signal is being emitted by somebody's code: resume later.
                        boost::asio::post(executor_, [this, alive] {
                            if (!alive.expired()) {
                                wake();
                            }
                        });
                    });
                }
                waiter_.emplace(std::move(handler));
            },
            boost::asio::use_awaitable);
    }

  private:
    using Waiter = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;
    async::Executor executor_;
    std::optional<Waiter> waiter_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace decloud::net::internal
