#pragma once

#include <decloud/async/task.hpp>
#include <decloud/kubo/engine.hpp>

#include <boost/asio/thread_pool.hpp>

namespace decloud::node {

/// Keeps Kubo's pins what the node's are, until it is cancelled: ends those whose end Kubo did not
/// hear of, and makes those again that it has lost. What fails is in the log, once. `engine` and
/// `pool` outlive it.
[[nodiscard]] async::Task<void> keep_kubo_pins(
    kubo::Engine& engine, boost::asio::thread_pool& pool);

}  // namespace decloud::node
