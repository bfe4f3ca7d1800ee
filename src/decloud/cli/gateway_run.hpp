#pragma once

#include "context.hpp"

#include <string>

namespace decloud::cli {

/// The gateway of this home in this process, until SIGINT or SIGTERM. `console`: where /metrics is
/// answered, over what the home's settings say; empty: nowhere.
[[nodiscard]] Outcome run_gateway(const Context& context, const std::string& console);

}  // namespace decloud::cli
