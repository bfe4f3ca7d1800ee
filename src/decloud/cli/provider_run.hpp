#pragma once

#include "context.hpp"

#include <string>
#include <vector>

namespace decloud::cli {

/// The node of this home in this process, until SIGINT or SIGTERM. `tunnels`: URLs of gateways to
/// be reached through.
[[nodiscard]] Outcome run_provider(const Context& context, const std::vector<std::string>& tunnels);

}  // namespace decloud::cli
