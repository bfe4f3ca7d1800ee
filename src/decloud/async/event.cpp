#include "event.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace decloud::async {

Event::Event(Executor executor)
    : executor_(executor), wakeup_(executor, std::chrono::steady_clock::time_point::max()) {}

void Event::set() {
    set_ = true;
    ++generation_;
    wakeup_.cancel();
}

Task<Result<void>> Event::wait(std::chrono::steady_clock::duration limit) {
    namespace asio = boost::asio;
    using asio::experimental::awaitable_operators::operator||;
    if (set_) {
        co_return Result<void>{};
    }
    const std::uint64_t started = generation_;
    boost::system::error_code ignored;
    boost::system::error_code timer_error;
    asio::steady_timer timer(executor_, limit);
    co_await (wakeup_.async_wait(asio::redirect_error(asio::use_awaitable, ignored)) ||
              timer.async_wait(asio::redirect_error(asio::use_awaitable, timer_error)));
    if (generation_ != started) {
        co_return Result<void>{};
    }
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        co_return fail(CommonError::cancelled);
    }
    co_return fail(CommonError::timeout);
}

}  // namespace decloud::async
