#pragma once

#include "../context.hpp"

namespace decloud::cli::internal {

/// `account id`: this home's OpenCloud id and those that it has followed.
[[nodiscard]] Outcome account_id(const Context& context);

/// `account rotate`: the id that follows. With unpaid promises only if `leaves_debts`.
[[nodiscard]] Outcome account_rotate(const Context& context, bool leaves_debts);

}  // namespace decloud::cli::internal
