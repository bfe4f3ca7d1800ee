#pragma once

#include "task.hpp"

#include <decloud/base/result.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <exception>
#include <utility>

namespace decloud::async {

/// Ends after `duration`; throws operation_aborted when cancelled.
[[nodiscard]] Task<void> delay(std::chrono::steady_clock::duration duration);

/// `task`'s result, or CommonError::timeout after `limit`; then the task's pending operation is
/// cancelled and awaited. Costs a parallel group: not for hot paths.
template <class T>
[[nodiscard]] Task<Result<T>> with_timeout(
    std::chrono::steady_clock::duration limit, Task<Result<T>> task) {
    namespace asio = boost::asio;
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, limit);
    auto [order, failure, result, timer_error] = co_await asio::experimental::make_parallel_group(
        asio::co_spawn(executor, std::move(task), asio::deferred), timer.async_wait(asio::deferred))
                                                     .async_wait(asio::experimental::wait_for_one(),
                                                         asio::use_awaitable);
    if (order[0] == 0) {
        if (failure) {
            std::rethrow_exception(failure);
        }
        co_return std::move(result);
    }
    if (!failure && result) {
        co_return std::move(result);
    }
    co_return fail(CommonError::timeout);
}

}  // namespace decloud::async
