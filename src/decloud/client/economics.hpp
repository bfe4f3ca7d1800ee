#pragma once

#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <string_view>

namespace decloud::client {

/// What gas costs: wei for one unit of it, and the token's smallest units for one whole coin.
struct GasMarket {
    Uint128 wei_per_gas = 0;
    Amount per_coin;
};

/// The cost of `gas`, rounded up. Error: limit_exceeded if it is too large to compute.
[[nodiscard]] Result<Amount> gas_cost(std::uint64_t gas, const GasMarket& market);

/// Gas of the escrow's transactions, as `contracts/gas.json` has it.
struct EscrowGas {
    /// One of ten rows of a settlement of pull channels, and of one by vouchers.
    std::uint64_t consumed_row = 0;
    std::uint64_t claimed_row = 0;
    /// A settlement by vouchers that has one row only.
    std::uint64_t single_claim = 0;
    /// What a payer sends for one channel: deposit, approve, requestClose and withdraw.
    std::uint64_t payer = 0;
    std::uint64_t payout = 0;
};
/// Of the contracts that this program was built with.
[[nodiscard]] EscrowGas escrow_gas();
/// What one row of a settlement costs, of the dearer kind. Error: `gas_cost`'s.
[[nodiscard]] Result<Amount> row_cost(const EscrowGas& gas, const GasMarket& market);

/// From which amounts on gas is at most one percent.
struct PriceAdvice {
    /// Gas of a row among ten, the dearer kind, and the least that a row should claim.
    Amount row_cost;
    Amount least_claim;
    /// How many calls at `price` a row should stand for at least.
    Uint128 calls_per_claim = 0;
    /// What a call should cost at least if a row stands for a hundred of them.
    Amount least_price;
    /// A payer's gas for one channel, and the least budget of one.
    Amount payer_cost;
    Amount least_budget;
    /// The least payout.
    Amount least_payout;
};
/// `price` is of one call and not zero. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<PriceAdvice> price_advice(
    const EscrowGas& gas, const GasMarket& market, Amount price);

}  // namespace decloud::client
