#pragma once

#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/net/stream.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace decloud::gateway::internal {

/// Carries the bytes of an upgraded connection both ways until both directions have ended, one
/// fails, or nothing came for `idle`. Single threaded; its tasks keep it alive.
class Relay : public std::enable_shared_from_this<Relay> {
  public:
    /// `on_end` is called once, when both directions have ended.
    Relay(const async::Executor& executor,
        std::unique_ptr<net::Stream> client,
        std::unique_ptr<net::Stream> provider,
        std::chrono::steady_clock::duration idle,
        std::function<void(Relay&)> on_end);

    /// Starts its tasks in `tasks`, which outlives them.
    void start(async::TaskGroup& tasks);
    /// Ends both directions at once.
    void close();

  private:
    [[nodiscard]] async::Task<void> pump(
        std::shared_ptr<Relay> self, net::Stream* from, net::Stream* to);
    [[nodiscard]] async::Task<void> watch(std::shared_ptr<Relay> self);
    void end_direction();

    std::unique_ptr<net::Stream> client_;
    std::unique_ptr<net::Stream> provider_;
    std::chrono::steady_clock::duration idle_;
    std::function<void(Relay&)> on_end_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point last_byte_;
    int directions_ = 2;
};

}  // namespace decloud::gateway::internal
