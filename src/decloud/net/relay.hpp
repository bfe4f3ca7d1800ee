#pragma once

#include "stream.hpp"

#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace decloud::net {

/// Which way bytes go through a `Relay`, whose client is who asked for the connection.
enum class RelayDirection { to_server, to_client };

/// How a `Relay` goes on and ends.
struct RelaySettings {
    /// Without a byte in either direction for so long, both end.
    std::chrono::steady_clock::duration idle;
    /// Told of bytes before they are passed on; false ends both directions. May be empty.
    std::function<bool(RelayDirection, std::size_t)> on_bytes{};
};

/// Carries bytes both ways until both directions have ended, one fails, or nothing came for a
/// while. Single threaded; its tasks keep it alive.
class Relay : public std::enable_shared_from_this<Relay> {
  public:
    /// `on_end` is called once, when both directions have ended.
    Relay(const async::Executor& executor,
        std::unique_ptr<Stream> client,
        std::unique_ptr<Stream> server,
        RelaySettings settings,
        std::function<void(Relay&)> on_end);

    /// Starts its tasks in `tasks`, which outlives them.
    void start(async::TaskGroup& tasks);
    /// Ends both directions at once.
    void close();

  private:
    [[nodiscard]] async::Task<void> pump(
        std::shared_ptr<Relay> self, Stream* from, Stream* to, RelayDirection direction);
    [[nodiscard]] async::Task<void> watch(std::shared_ptr<Relay> self);
    void end_direction();

    std::unique_ptr<Stream> client_;
    std::unique_ptr<Stream> server_;
    RelaySettings settings_;
    std::function<void(Relay&)> on_end_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point last_byte_;
    int directions_ = 2;
};

}  // namespace decloud::net
