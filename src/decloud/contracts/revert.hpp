#pragma once

#include "abi_types.hpp"

#include <string>

namespace decloud::contracts {

/// The data that a reverted call returned, in words: "FreeTooLow(free=1, needed=5)". Knows the
/// errors of all contracts here and Solidity's own; other data is shown in hexadecimal. Cut to a
/// readable length.
[[nodiscard]] std::string describe_revert(BytesView data);

}  // namespace decloud::contracts
