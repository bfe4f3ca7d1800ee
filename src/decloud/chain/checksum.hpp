#pragma once

#include <decloud/base/evm_types.hpp>

#include <string>

namespace decloud::chain {

/// The address with the letters' case as its checksum (EIP-55), as wallets show and want it.
[[nodiscard]] std::string checksummed(const Address& address);

}  // namespace decloud::chain
