#include "task_group.hpp"

#include "contained.hpp"

#include <decloud/base/log.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <list>
#include <utility>

namespace decloud::async {

struct TaskGroup::State {
    explicit State(Executor executor_in) : executor(executor_in), ended(executor_in) {
        ended.expires_at(std::chrono::steady_clock::time_point::max());
    }
    Executor executor;
    boost::asio::steady_timer ended;
    std::list<boost::asio::cancellation_signal> running;
    bool cancelled = false;
};

TaskGroup::TaskGroup(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
    if (!state_->running.empty()) {
        log::error(
            "async", "a TaskGroup was destroyed with {} tasks running", state_->running.size());
        std::terminate();
    }
}

void TaskGroup::spawn(Task<void> task) {
    if (state_->cancelled) {
        return;
    }
    const auto entry = state_->running.emplace(state_->running.end());
    boost::asio::co_spawn(state_->executor, contained(std::move(task)),
        boost::asio::bind_cancellation_slot(
            entry->slot(), [state = state_, entry](std::exception_ptr error) {
                state->running.erase(entry);
                if (state->running.empty()) {
                    state->ended.cancel();
                }
                if (!error) {
                    return;
                }
                try {
                    std::rethrow_exception(error);
                } catch (const boost::system::system_error& failure) {
                    if (failure.code() == boost::asio::error::operation_aborted) {
                        return;
                    }
                    log::error("async", "a task ended with an exception: {}", failure.what());
                    std::terminate();
                } catch (const std::exception& failure) {
                    log::error("async", "a task ended with an exception: {}", failure.what());
                    std::terminate();
                }
            }));
}

void TaskGroup::cancel() {
    state_->cancelled = true;
    // Emitting may end a task at once and so erase its entry.
    for (auto entry = state_->running.begin(); entry != state_->running.end();) {
        const auto current = entry++;
        current->emit(boost::asio::cancellation_type::all);
    }
}

Task<void> TaskGroup::join() {
    const auto state = state_;
    while (!state->running.empty()) {
        boost::system::error_code ignored;
        co_await state->ended.async_wait(
            boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
        state->ended.expires_at(std::chrono::steady_clock::time_point::max());
    }
}

std::size_t TaskGroup::size() const { return state_->running.size(); }

}  // namespace decloud::async
