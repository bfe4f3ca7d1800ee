#pragma once

#include <decloud/chain/escrow.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/policy/account_balances.hpp>

namespace decloud::node {

/// What an account has: its own tokens, and its money in the escrow that no provider has reserved.
/// Both outlive what is returned. Errors: JsonRpc's.
[[nodiscard]] policy::BalanceOf make_balance_of(
    chain::EthereumClient& client, chain::EscrowView& escrow, Address token);

}  // namespace decloud::node
