#include "wasi_poll.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace decloud::sandbox::wasm {

namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr std::uint32_t kMaximumSubscriptions = 1024;
constexpr std::uint32_t kSubscriptionSize = 48;
constexpr std::uint32_t kEventSize = 32;
constexpr std::uint8_t kClock = 0;
constexpr std::uint8_t kRead = 1;
constexpr std::uint8_t kWrite = 2;
constexpr std::uint16_t kAbsolute = 1;

struct Subscription {
    std::uint64_t user_data = 0;
    std::uint8_t kind = 0;
    std::uint32_t descriptor = 0;
    /// Of a clock.
    SteadyTime due;
    Errno error = Errno::success;
};

struct Event {
    std::uint64_t user_data = 0;
    std::uint16_t error = 0;
    std::uint8_t kind = 0;
    std::uint8_t padding[5] = {};
    std::uint64_t bytes = 0;
    std::uint64_t flags = 0;
};
static_assert(sizeof(Event) == kEventSize);

/// When a clock subscription is due on our own clock; at most the deadline, so that nothing
/// overflows.
SteadyTime due_time(
    std::uint32_t clock, std::uint64_t timeout, bool absolute, SteadyTime deadline) {
    const auto now = steady_clock::now();
    std::uint64_t wait = timeout;
    if (absolute) {
        const auto since = clock == 0 ? std::chrono::system_clock::now().time_since_epoch()
                                      : now.time_since_epoch();
        const auto reached =
            static_cast<std::uint64_t>(std::chrono::duration_cast<nanoseconds>(since).count());
        wait = timeout > reached ? timeout - reached : 0;
    }
    const auto most = std::max(deadline - now, steady_clock::duration::zero());
    if (wait >= static_cast<std::uint64_t>(nanoseconds(most).count())) {
        return deadline;
    }
    return now + nanoseconds(wait);
}

std::optional<Subscription> parse(GuestMemory memory, std::uint32_t address, SteadyTime deadline) {
    const auto bytes = memory.range(address, kSubscriptionSize);
    if (!bytes) {
        return std::nullopt;
    }
    Subscription item;
    std::uint16_t flags = 0;
    std::uint64_t timeout = 0;
    std::memcpy(&item.user_data, bytes->data(), 8);
    std::memcpy(&item.kind, bytes->data() + 8, 1);
    std::memcpy(&item.descriptor, bytes->data() + 16, 4);
    if (item.kind == kClock) {
        std::memcpy(&timeout, bytes->data() + 24, 8);
        std::memcpy(&flags, bytes->data() + 40, 2);
        item.due = due_time(item.descriptor, timeout, (flags & kAbsolute) != 0, deadline);
        item.error = item.descriptor > 1 ? Errno::not_supported : Errno::success;
    } else if (item.kind > kWrite) {
        item.error = Errno::invalid;
    }
    return item;
}

Event make_event(const Subscription& item) {
    return {.user_data = item.user_data,
        .error = static_cast<std::uint16_t>(item.error),
        .kind = item.kind,
        .bytes = item.kind == kClock ? 0U : 1U};
}

class Poll {
  public:
    Poll(Stdio& stdio, std::vector<Subscription> items) : stdio_(stdio), items_(std::move(items)) {
        for (const Subscription& item : items_) {
            if (item.kind == kClock && item.error == Errno::success) {
                until_ = std::min(until_, item.due);
            }
            waits_for_input_ = waits_for_input_ || item.kind == kRead;
        }
    }

    std::vector<Event> run() {
        while (true) {
            std::vector<Event> events = ready();
            if (!events.empty() || !stdio_.wait_until(until_, waits_for_input_)) {
                return events;
            }
        }
    }

  private:
    std::vector<Event> ready() {
        std::vector<Event> events;
        const auto now = steady_clock::now();
        for (const Subscription& item : items_) {
            const bool due = item.error != Errno::success || item.kind == kWrite ||
                             (item.kind == kClock && item.due <= now) ||
                             (item.kind == kRead && stdio_.readable());
            if (due) {
                events.push_back(make_event(item));
            }
        }
        return events;
    }

    Stdio& stdio_;
    std::vector<Subscription> items_;
    SteadyTime until_ = SteadyTime::max();
    bool waits_for_input_ = false;
};

}  // namespace

Errno poll_subscriptions(Stdio& stdio,
    GuestMemory memory,
    PollArguments arguments,
    const std::function<bool(std::uint32_t, bool)>& is_open) {
    if (arguments.count == 0 || arguments.count > kMaximumSubscriptions) {
        return Errno::invalid;
    }
    if (!memory.range(
            arguments.subscriptions, std::uint64_t{arguments.count} * kSubscriptionSize) ||
        !memory.range(arguments.events, std::uint64_t{arguments.count} * kEventSize)) {
        return Errno::fault;
    }
    std::vector<Subscription> items;
    for (std::uint32_t i = 0; i < arguments.count; ++i) {
        auto item =
            parse(memory, arguments.subscriptions + i * kSubscriptionSize, stdio.deadline());
        if (!item) {
            return Errno::fault;
        }
        if (item->kind == kRead || item->kind == kWrite) {
            const bool open = is_open(item->descriptor, item->kind == kRead);
            item->error = open ? Errno::success : Errno::bad_descriptor;
        }
        items.push_back(*item);
    }
    const std::vector<Event> events = Poll(stdio, std::move(items)).run();
    for (std::uint32_t i = 0; i < events.size(); ++i) {
        if (!memory.store(arguments.events + i * kEventSize, events[i])) {
            return Errno::fault;
        }
    }
    const auto count = static_cast<std::uint32_t>(events.size());
    return memory.store(arguments.result, count) ? Errno::success : Errno::fault;
}

}  // namespace decloud::sandbox::wasm
