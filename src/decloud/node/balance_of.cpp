#include "balance_of.hpp"

#include <decloud/contracts/test_usdc.hpp>

#include <utility>

namespace decloud::node {

namespace {

async::Task<Result<Amount>> balance_of(
    chain::EthereumClient* client, chain::EscrowView* escrow, Address token, Address account) {
    CO_TRY(const Bytes answer,
        co_await client->call(token, contracts::test_usdc::encode_balance_of(account)));
    CO_TRY(const Uint256 tokens, contracts::test_usdc::decode_balance_of(answer));
    CO_TRY(const Uint128 units, tokens.to_uint128());
    CO_TRY(const Amount free, co_await escrow->free_balance(account));
    co_return Amount(units).plus(free);
}

}  // namespace

policy::BalanceOf make_balance_of(
    chain::EthereumClient& client, chain::EscrowView& escrow, Address token) {
    return [client = &client, escrow = &escrow, token](
               Address account) { return balance_of(client, escrow, token, account); };
}

}  // namespace decloud::node
