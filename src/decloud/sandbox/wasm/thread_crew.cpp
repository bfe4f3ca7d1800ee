#include "thread_crew.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace decloud::sandbox::wasm {

namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 10ms;
constexpr std::uint64_t kStuckTicks = 2;
/// How many ticks without a job until the ticker sleeps.
constexpr int kIdleTicks = 50;
constexpr std::size_t kStackBytes = std::size_t{4} * 1024 * 1024;

thread_local void* this_member = nullptr;

std::uint32_t processors() {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) == 0
               ? static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)))
               : 1;
}

}  // namespace

ThreadCrew::ThreadCrew(Settings settings)
    : settings_(std::move(settings)), wanted_(std::min(processors(), settings_.maximum)) {}

bool ThreadCrew::start_thread(void* (*entry)(void*)) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kStackBytes);
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread{};
    const bool started = ::pthread_create(&thread, &attributes, entry, this) == 0;
    ::pthread_attr_destroy(&attributes);
    return started;
}

void* ThreadCrew::thread_main(void* crew) {
    static_cast<ThreadCrew*>(crew)->member_main();
    return nullptr;
}

void ThreadCrew::run() {
    start_thread([](void* crew) -> void* {
        static_cast<ThreadCrew*>(crew)->ticker_main();
        return nullptr;
    });
    std::unique_lock lock(mutex_);
    while (serving_ < wanted_) {
        const std::uint32_t before = serving_;
        call_another();
        if (serving_ == before) {
            break;
        }
    }
    end_.wait(lock, [this] { return ended_; });
}

void ThreadCrew::call_another() {
    const auto parked =
        std::ranges::find_if(members_, [](const Member& m) { return m.parked && !m.called; });
    if (parked != members_.end()) {
        parked->called = true;
        parked->wake.notify_one();
        ++serving_;
    } else if (members_.size() < settings_.maximum) {
        members_.emplace_back();
        if (start_thread(&ThreadCrew::thread_main)) {
            ++serving_;
        } else {
            members_.pop_back();
        }
    }
}

void ThreadCrew::member_main() {
    Member* self = nullptr;
    {
        const std::lock_guard lock(mutex_);
        // Each new thread takes the next place that nobody has taken.
        for (Member& member : members_) {
            if (!member.called && !member.parked && member.since.load() == 0) {
                member.called = true;
                self = &member;
                break;
            }
        }
    }
    this_member = self;
    while (settings_.serve(*this)) {
        if (!self->stuck) {
            continue;
        }
        std::unique_lock lock(mutex_);
        self->stuck = false;
        if (serving_ < wanted_) {
            ++serving_;
            continue;
        }
        self->parked = true;
        self->called = false;
        self->wake.wait(lock, [self] { return self->called; });
        self->parked = false;
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    end_.notify_all();
}

void ThreadCrew::begin_job() {
    static_cast<Member*>(this_member)
        ->since.store(tick_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    jobs_.fetch_add(1);
    if (ticker_sleeps_.load()) {
        const std::lock_guard lock(mutex_);
        ticker_wake_.notify_one();
    }
}

void ThreadCrew::end_job() {
    jobs_.fetch_sub(1);
    auto* self = static_cast<Member*>(this_member);
    // Under the lock only if the ticker may be looking: a job that took no tick was not seen.
    if (self->since.load(std::memory_order_relaxed) + 1 >= tick_.load(std::memory_order_relaxed)) {
        self->since.store(0, std::memory_order_relaxed);
        return;
    }
    const std::lock_guard lock(mutex_);
    self->since.store(0, std::memory_order_relaxed);
}

void ThreadCrew::watch() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t now = tick_.load(std::memory_order_relaxed);
    for (Member& member : members_) {
        const std::uint64_t since = member.since.load(std::memory_order_relaxed);
        if (since != 0 && now >= since + kStuckTicks && !member.stuck) {
            member.stuck = true;
            --serving_;
        }
    }
    while (serving_ < wanted_) {
        const std::uint32_t before = serving_;
        call_another();
        if (serving_ == before) {
            break;
        }
    }
}

void ThreadCrew::ticker_main() {
    int idle = 0;
    while (true) {
        if (jobs_.load() == 0 && ++idle > kIdleTicks) {
            std::unique_lock lock(mutex_);
            ticker_sleeps_.store(true);
            ticker_wake_.wait(lock, [this] { return jobs_.load() > 0; });
            ticker_sleeps_.store(false);
            idle = 0;
        }
        std::this_thread::sleep_for(kTick);
        if (jobs_.load() == 0) {
            continue;
        }
        idle = 0;
        tick_.fetch_add(1, std::memory_order_relaxed);
        settings_.on_tick();
        watch();
    }
}

}  // namespace decloud::sandbox::wasm
