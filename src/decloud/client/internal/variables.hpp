#pragma once

#include <decloud/base/result.hpp>

#include <string_view>

namespace decloud::client::internal {

/// 1 to 64 of a–z, 0–9, `-`, `_`, not starting with `-`. Error: ClientError::usage.
[[nodiscard]] Result<void> check_function_name(std::string_view name);

/// A name that an environment variable can have and a value that a spec can carry. The error
/// (ClientError::usage) names the variable, never the value.
[[nodiscard]] Result<void> check_variable(std::string_view name, std::string_view value);

}  // namespace decloud::client::internal
