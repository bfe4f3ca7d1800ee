#pragma once

#include "../context.hpp"

#include <functional>

namespace decloud::cli::internal {

/// A server in the foreground.
struct Service {
    /// Serves until `stop` has ended.
    std::function<async::Task<void>()> run;
    std::function<async::Task<void>()> stop;
    /// On SIGHUP; may be empty.
    std::function<void()> reload{};
};

/// Starts a service and runs it until SIGINT or SIGTERM; a second signal ends the program at once.
/// Logs go to standard error.
[[nodiscard]] Outcome run_service(
    std::function<async::Task<Result<Service>>(async::Executor)> start);

}  // namespace decloud::cli::internal
