#pragma once

#include "context.hpp"

namespace decloud::cli {

/// The node of this home in this process, until SIGINT or SIGTERM.
[[nodiscard]] Outcome run_provider(const Context& context);

}  // namespace decloud::cli
