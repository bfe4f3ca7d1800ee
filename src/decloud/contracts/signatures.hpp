#pragma once

#include "abi_types.hpp"

#include <string_view>

namespace decloud::contracts {

/// Which function of the contracts here a call is of: "deposit(uint128)"; empty for others. What
/// signers show to who decides.
[[nodiscard]] std::string_view function_signature(BytesView calldata);

}  // namespace decloud::contracts
