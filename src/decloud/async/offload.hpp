#pragma once

#include "task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>
#include <utility>

namespace decloud::async {

/// Runs `work` on `pool` and resumes the caller on its own executor with what it returned. For what
/// blocks: files, SQLite, slow cryptography. `work` must not touch single-threaded objects of the
/// caller.
template <class Work>
[[nodiscard]] Task<std::invoke_result_t<Work>> offload(boost::asio::thread_pool& pool, Work work) {
    using Value = std::invoke_result_t<Work>;
    co_return co_await boost::asio::co_spawn(
        pool, [](Work inner) -> Task<Value> { co_return inner(); }(std::move(work)),
        boost::asio::use_awaitable);
}

}  // namespace decloud::async
