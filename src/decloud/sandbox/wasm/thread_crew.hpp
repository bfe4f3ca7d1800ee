#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>

namespace decloud::sandbox::wasm {

/// Threads that take turns at one blocking source of jobs.
///
/// As many as there are processors serve at a time: more would only wake each other. When one of
/// them has been at its job for a tick or two, another takes its place, so that a stuck program
/// holds up no other. One ticker thread watches, drives `on_tick` every 10 ms while there are jobs,
/// and sleeps when there are none.
class ThreadCrew {
  public:
    /// At most `maximum` threads are made besides the ticker, which calls `on_tick`.
    struct Settings {
        std::uint32_t maximum = 1;
        /// Blocks for one job and does it, between `begin_job` and `end_job`. False: no more jobs.
        std::function<bool(ThreadCrew&)> serve;
        std::function<void()> on_tick;
    };

    /// Starts no thread before `run`.
    explicit ThreadCrew(Settings settings);

    /// Serves until `serve` returns false in any thread; then the process should end.
    void run();

    /// Called by `serve`, by the thread that got a job.
    void begin_job();
    void end_job();

  private:
    struct Member {
        /// The tick at which its job began; 0 without a job.
        std::atomic<std::uint64_t> since = 0;
        std::atomic<bool> stuck = false;
        bool parked = false;
        bool called = false;
        std::condition_variable wake;
    };

    static void* thread_main(void* crew);
    void member_main();
    void ticker_main();
    void watch();
    /// With the lock held: wakes a parked member or makes a new one.
    void call_another();
    bool start_thread(void* (*entry)(void*));

    Settings settings_;
    std::uint32_t wanted_;
    std::mutex mutex_;
    std::list<Member> members_;
    /// Members that are neither stuck nor parked.
    std::uint32_t serving_ = 0;
    std::atomic<std::uint32_t> jobs_ = 0;
    std::atomic<std::uint64_t> tick_ = 1;
    std::atomic<bool> ticker_sleeps_ = false;
    std::condition_variable ticker_wake_;
    bool ended_ = false;
    std::condition_variable end_;
};

}  // namespace decloud::sandbox::wasm
