#pragma once

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace decloud::pipeline {

/// Charges an answer that is a stream interval by interval: the first is what the call holds; the
/// price of each further one is held a little before it begins, and the one before is charged when
/// it has elapsed. Where that fails the stream is stopped at the end of what is paid. The interval
/// under way at the end is charged by the call's `commit`. Single threaded; once begun, `end`
/// before destruction.
class IntervalCharging {
  public:
    /// What a stream is charged by, and how it is stopped. All that it refers to outlives this.
    struct Stream {
        protocol::PaymentHold& hold;
        /// More than zero.
        std::chrono::milliseconds interval;
        /// What may be charged in all, by the quote that the caller has accepted; none: no bound.
        std::optional<Amount> most;
        /// Whether the call would be admitted anew.
        std::function<async::Task<protocol::Checked<void>>()> admit;
        /// What a receipt says of it so far.
        std::function<protocol::CallSummary()> summary;
        /// Ends it; called at most once, for the reason that `stopped` gives.
        std::function<async::Task<void>()> stop;
    };
    /// Resumes after so long, or at once when the event is set.
    using Wait = std::function<async::Task<void>(async::Event&, std::chrono::milliseconds)>;

    /// `wait` is for tests.
    IntervalCharging(async::Executor executor, Stream stream, Wait wait = wait_for);

    /// The first interval begins: the answer's head is about to leave. Called at most once.
    void begin();
    /// The stream has ended: nothing more is held or charged here. Waits for what is under way.
    [[nodiscard]] async::Task<void> end();

    /// Of one interval, once begun.
    [[nodiscard]] Amount price() const { return price_; }
    /// How many have begun; 0: this is no stream.
    [[nodiscard]] std::uint32_t intervals() const { return intervals_; }
    /// Why it was stopped, if it was. Short, for the caller.
    [[nodiscard]] const std::optional<std::string>& stopped() const { return stopped_; }

  private:
    [[nodiscard]] static async::Task<void> wait_for(
        async::Event& event, std::chrono::milliseconds time);
    [[nodiscard]] async::Task<void> run();
    /// Holds the next interval's price. Returns why it cannot, if so.
    [[nodiscard]] async::Task<std::optional<std::string>> hold_next();
    /// Charges the elapsed one; the next begins. Returns why it cannot, if so.
    [[nodiscard]] std::optional<std::string> go_on();

    Stream stream_;
    Wait wait_;
    async::Event ended_;
    async::TaskGroup tasks_;
    Amount price_;
    std::uint32_t intervals_ = 0;
    std::optional<std::string> stopped_;
};

}  // namespace decloud::pipeline
