#pragma once

#include "context.hpp"

namespace decloud::cli {

/// The gateway of this home in this process, until SIGINT or SIGTERM.
[[nodiscard]] Outcome run_gateway(const Context& context);

}  // namespace decloud::cli
