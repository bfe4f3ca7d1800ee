#pragma once

#include "../context.hpp"

namespace decloud::cli::internal {

/// `account history`: every payment and every movement on the chain of the account that acts, with
/// their sums against the chain. Error: CommonError::conflict if they differ.
[[nodiscard]] Outcome account_history(const Context& context);

}  // namespace decloud::cli::internal
