#include "interval_charging.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>
#include <utility>

namespace decloud::pipeline {

namespace {

/// How long before an interval begins its price is held, at most.
constexpr std::chrono::milliseconds kLongestLead{2'000};

/// For whoever calls: without sums, which may be another's.
std::string tell(const Error& error) {
    return error == make_error_code(CommonError::unavailable) ? error.detail()
                                                              : error.code().message();
}

}  // namespace

IntervalCharging::IntervalCharging(async::Executor executor, Stream stream, Wait wait)
    : stream_(std::move(stream)), wait_(std::move(wait)), ended_(executor), tasks_(executor) {}

async::Task<void> IntervalCharging::wait_for(async::Event& event, std::chrono::milliseconds time) {
    (void)co_await event.wait(time);
}

void IntervalCharging::begin() {
    price_ = stream_.hold.held();
    intervals_ = 1;
    tasks_.spawn(run());
}

async::Task<void> IntervalCharging::end() {
    ended_.set();
    co_await tasks_.join();
}

async::Task<void> IntervalCharging::run() {
    const auto lead = std::min(stream_.interval / 4, kLongestLead);
    while (true) {
        co_await wait_(ended_, stream_.interval - lead);
        if (ended_.is_set()) {
            co_return;
        }
        const auto begun = std::chrono::steady_clock::now();
        auto refusal = co_await hold_next();
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begun);
        co_await wait_(ended_, std::max(lead - took, std::chrono::milliseconds(0)));
        if (ended_.is_set()) {
            co_return;
        }
        if (!refusal) {
            refusal = go_on();
        }
        if (refusal) {
            stopped_ = std::move(refusal);
            co_await stream_.stop();
            co_return;
        }
    }
}

async::Task<std::optional<std::string>> IntervalCharging::hold_next() {
    if (stream_.most && Uint128{intervals_ + 1} * price_.units() > stream_.most->units()) {
        co_return "the quote is used up";
    }
    if (const auto admitted = co_await stream_.admit(); !admitted) {
        co_return admitted.error().detail;
    }
    if (const auto held = co_await stream_.hold.hold_interval(price_); !held) {
        log::debug("pipeline", "a stream is not paid any further: {}", held.error().message());
        co_return tell(held.error());
    }
    co_return std::nullopt;
}

std::optional<std::string> IntervalCharging::go_on() {
    protocol::CallSummary summary = stream_.summary();
    summary.interval = intervals_;
    const auto receipt = stream_.hold.commit_interval(price_, std::move(summary));
    if (!receipt) {
        log::error("pipeline", "an interval of a stream could not be charged: {}",
            receipt.error().message());
        return tell(receipt.error());
    }
    ++intervals_;
    return std::nullopt;
}

}  // namespace decloud::pipeline
