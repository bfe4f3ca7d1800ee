#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace decloud::async {

/// A coroutine that starts when it is awaited or spawned. Parameters are taken by value.
template <class T = void>
using Task = boost::asio::awaitable<T>;

/// Where a task and its timers run; any of Asio's executors.
using Executor = boost::asio::any_io_executor;

}  // namespace decloud::async
