#pragma once

#include "../context.hpp"

namespace decloud::cli::internal {

/// The workspace with the provider's account as the one that acts, unless another is named.
[[nodiscard]] Result<Workspace> open_as_provider(const Context& context);

}  // namespace decloud::cli::internal
