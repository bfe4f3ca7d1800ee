#pragma once

#include <decloud/async/task.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace decloud::sandbox::internal {

/// A flag with one waiter, lighter than an Event: no timer. Whoever sets it must be certain to do
/// so (a run always ends, if need be by the killer's hand). Single threaded.
class Completion {
  public:
    explicit Completion(async::Executor executor) : executor_(std::move(executor)) {}

    void set() {
        done_ = true;
        if (waiter_) {
            std::exchange(waiter_, nullptr)->resume(executor_);
        }
    }
    [[nodiscard]] bool is_set() const { return done_; }

    [[nodiscard]] async::Task<void> wait() {
        if (done_) {
            co_return;
        }
        co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
            [this](auto handler) {
                waiter_ = std::make_unique<Holder<decltype(handler)>>(std::move(handler));
            },
            boost::asio::use_awaitable);
    }

  private:
    struct Waiter {
        virtual ~Waiter() = default;
        virtual void resume(const async::Executor& executor) = 0;
    };
    template <class Handler>
    struct Holder final : Waiter {
        explicit Holder(Handler inner) : handler(std::move(inner)) {}
        void resume(const async::Executor& executor) override {
            boost::asio::post(executor, std::move(handler));
        }
        Handler handler;
    };

    async::Executor executor_;
    std::unique_ptr<Waiter> waiter_;
    bool done_ = false;
};

}  // namespace decloud::sandbox::internal
