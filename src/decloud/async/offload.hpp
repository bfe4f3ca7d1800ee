#pragma once

#include "task.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace decloud::async {

/// Runs `work` on `pool` and resumes the caller on its own executor with what it returned. For what
/// blocks: files, SQLite, slow cryptography. `work` must not touch single-threaded objects of the
/// caller. What has begun is not cancelled: the caller learns of it when the work has ended.
template <class Work>
[[nodiscard]] Task<std::invoke_result_t<Work>> offload(boost::asio::thread_pool& pool, Work work) {
    using Value = std::invoke_result_t<Work>;
    static_assert(!std::is_void_v<Value>, "return a Result, so that failure has a way back");
    // Optional, because Asio wants a default for the case of an exception.
    auto value = co_await boost::asio::co_spawn(
        pool, [](Work inner) -> Task<std::optional<Value>> { co_return inner(); }(std::move(work)),
        // Asio would cancel from this thread what may be over in the other one.
        boost::asio::bind_cancellation_slot(
            boost::asio::cancellation_slot(), boost::asio::use_awaitable));
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): after an exception this is not reached
    co_return std::move(*value);
}

}  // namespace decloud::async
