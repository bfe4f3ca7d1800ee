#include "cancellation.hpp"
#include "event.hpp"
#include "offload.hpp"
#include "task_group.hpp"
#include "timeout.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace decloud::async {
namespace {

using namespace std::chrono_literals;

/// Runs one task to its end on a fresh io_context.
void run(Task<void> (*body)(boost::asio::io_context&)) {
    boost::asio::io_context context;
    TaskGroup group(context.get_executor());
    group.spawn(body(context));
    context.run();
    EXPECT_EQ(group.size(), 0U);
}

Task<Result<int>> answer_after(std::chrono::milliseconds time) {
    co_await delay(time);
    co_return 42;
}

TEST(Timeout, ReturnsTheResultOfATaskThatIsInTime) {
    run([](boost::asio::io_context&) -> Task<void> {
        const auto result = co_await with_timeout(10s, answer_after(1ms));
        EXPECT_EQ(result.value(), 42);
    });
}

TEST(Timeout, CancelsATaskThatIsLate) {
    run([](boost::asio::io_context&) -> Task<void> {
        const auto result = co_await with_timeout(1ms, answer_after(1h));
        EXPECT_EQ(result.error(), make_error_code(CommonError::timeout));
    });
}

Task<void> wait_and_count(Event& event, int& count) {
    const auto result = co_await event.wait(10s);
    EXPECT_TRUE(result);
    ++count;
}

TEST(Event, WakesEveryWaiterAndStaysSet) {
    run([](boost::asio::io_context& context) -> Task<void> {
        Event event(context.get_executor());
        TaskGroup group(context.get_executor());
        int count = 0;
        group.spawn(wait_and_count(event, count));
        group.spawn(wait_and_count(event, count));
        co_await delay(0ms);
        event.set();
        co_await group.join();
        EXPECT_EQ(count, 2);
        EXPECT_TRUE(co_await event.wait(0ms));
        event.reset();
        EXPECT_EQ((co_await event.wait(1ms)).error(), make_error_code(CommonError::timeout));
    });
}

Task<void> wait_for_ever(bool& ended) {
    const auto mark = std::shared_ptr<void>(nullptr, [&ended](void*) { ended = true; });
    co_await delay(1h);
}

TEST(TaskGroup, CancelEndsWaitingTasksAndJoinAwaitsThem) {
    run([](boost::asio::io_context& context) -> Task<void> {
        bool ended = false;
        TaskGroup group(context.get_executor());
        group.spawn(wait_for_ever(ended));
        co_await delay(0ms);
        group.cancel();
        co_await group.join();
        EXPECT_TRUE(ended);
    });
}

TEST(TaskGroup, ATaskMayCancelItsGroupBeforeItHasWaited) {
    run([](boost::asio::io_context& context) -> Task<void> {
        bool ended = false;
        TaskGroup group(context.get_executor());
        group.spawn(wait_for_ever(ended));
        group.spawn([](TaskGroup& own) -> Task<void> {
            own.cancel();
            co_return;
        }(group));
        co_await group.join();
        EXPECT_TRUE(ended);
    });
}

TEST(Offload, RunsElsewhereAndResumesHere) {
    run([](boost::asio::io_context&) -> Task<void> {
        boost::asio::thread_pool pool(1);
        const auto here = std::this_thread::get_id();
        const auto there = co_await offload(pool, [] { return std::this_thread::get_id(); });
        EXPECT_NE(here, there);
        EXPECT_EQ(here, std::this_thread::get_id());
        pool.join();
    });
}

TEST(Offload, MayBeCancelledWhileItWorks) {
    run([](boost::asio::io_context& context) -> Task<void> {
        boost::asio::thread_pool pool(2);
        for (int round = 0; round < 300; ++round) {
            std::atomic<bool> working = false;
            int ended = 0;
            TaskGroup group(context.get_executor());
            for (int task = 0; task < 4; ++task) {
                group.spawn([](boost::asio::thread_pool& where, std::atomic<bool>& told,
                                int& count) -> Task<void> {
                    (void)co_await offload(where, [&told] {
                        told = true;
                        told.notify_all();
                        return 1;
                    });
                    ++count;
                }(pool, working, ended));
            }
            working.wait(false);
            group.cancel();
            co_await group.join();
            EXPECT_EQ(ended, 4) << "the work itself goes on";
        }
        pool.join();
    });
}

TEST(Cancellation, CallsEachCallbackOnceUnlessUnregistered) {
    CancellationSource source;
    int calls = 0;
    const auto kept = source.token().on_cancel([&calls] { ++calls; });
    {
        const auto dropped = source.token().on_cancel([&calls] { calls += 100; });
    }
    source.cancel();
    source.cancel();
    EXPECT_EQ(calls, 1);
    const auto late = source.token().on_cancel([&calls] { ++calls; });
    EXPECT_EQ(calls, 2);
    EXPECT_FALSE(CancellationToken().cancelled());
}

}  // namespace
}  // namespace decloud::async
