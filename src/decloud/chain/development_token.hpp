#pragma once

#include "ethereum.hpp"
#include "transaction_sender.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

namespace decloud::chain {

/// Puts test USDC, owned by `sender`'s account, at an address of choice on a development chain, as
/// real clients know their token by its address: deployed once, then its code and storage are
/// copied there by anvil. The token makes its EIP-712 domain from where it stands. Does nothing if
/// such a token is there. Errors: the sender's; ChainError::rpc if the chain is not anvil.
[[nodiscard]] async::Task<Result<void>> place_test_usdc(
    EthereumClient& client, TransactionSender& sender, Address at);

}  // namespace decloud::chain
