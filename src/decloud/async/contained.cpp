#include "contained.hpp"

#include <boost/asio/this_coro.hpp>

#include <exception>
#include <utility>

namespace decloud::async {

Task<void> contained(Task<void> task) {
    std::exception_ptr failure;
    try {
        co_await std::move(task);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    if (failure) {
        std::rethrow_exception(failure);
    }
}

}  // namespace decloud::async
