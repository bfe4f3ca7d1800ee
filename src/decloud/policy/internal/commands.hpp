#pragma once

#include "../rule.hpp"
#include "table.hpp"

namespace decloud::policy::internal {

/// Reads the commands of a rule's table. Errors: invalid_input with file and line.
[[nodiscard]] Result<void> read_commands(Table& table, Rule& rule);

/// 0 to a million; `below` above `at-least`.
[[nodiscard]] Result<void> read_band(Table& table, std::optional<Band>& out);

}  // namespace decloud::policy::internal
