#include "economics.hpp"

#include "gas_figures.hpp"

#include <algorithm>
#include <limits>

namespace decloud::client {

namespace {

constexpr std::uint64_t kRowsMeasured = 10;
/// One percent is one in so many.
constexpr std::uint64_t kShare = 100;
constexpr std::uint64_t kCallsOfLeastPrice = 100;

Uint128 divided_up(Uint128 value, Uint128 by) { return value / by + (value % by == 0 ? 0 : 1); }

Result<Uint128> product(Uint128 a, Uint128 b) {
    if (b != 0 && a > std::numeric_limits<Uint128>::max() / b) {
        return fail(CommonError::limit_exceeded, "that is more money than there is");
    }
    return a * b;
}

}  // namespace

Result<Amount> gas_cost(std::uint64_t gas, const GasMarket& market) {
    constexpr Uint128 kWeiPerCoin = Uint128{1'000'000'000} * 1'000'000'000;
    TRY(const Uint128 wei, product(gas, market.wei_per_gas));
    TRY(const Uint128 scaled, product(wei, market.per_coin.units()));
    return Amount(divided_up(scaled, kWeiPerCoin));
}

EscrowGas escrow_gas() {
    const auto of_ten = [](std::uint64_t batch) {
        return (batch + kRowsMeasured - 1) / kRowsMeasured;
    };
    return {.consumed_row = of_ten(gas_figures::kConsumeBatch10),
        .claimed_row = of_ten(gas_figures::kClaimBatch10),
        .single_claim = gas_figures::kClaimBatch1,
        .payer = gas_figures::kDeposit + gas_figures::kApprove + gas_figures::kRequestClose +
                 gas_figures::kWithdraw,
        .payout = gas_figures::kPayout};
}

Result<Amount> row_cost(const EscrowGas& gas, const GasMarket& market) {
    return gas_cost(std::max(gas.consumed_row, gas.claimed_row), market);
}

Result<PriceAdvice> price_advice(const EscrowGas& gas, const GasMarket& market, Amount price) {
    if (price.is_zero()) {
        return fail(CommonError::invalid_input, "a call that costs nothing pays for no gas");
    }
    PriceAdvice out;
    TRY(out.row_cost, row_cost(gas, market));
    TRY(const Uint128 claim, product(out.row_cost.units(), kShare));
    out.least_claim = Amount(claim);
    out.calls_per_claim = divided_up(claim, price.units());
    out.least_price = Amount(divided_up(claim, kCallsOfLeastPrice));
    TRY(out.payer_cost, gas_cost(gas.payer, market));
    TRY(const Uint128 budget, product(out.payer_cost.units(), kShare));
    out.least_budget = Amount(budget);
    TRY(const Amount payout_cost, gas_cost(gas.payout, market));
    TRY(const Uint128 payout, product(payout_cost.units(), kShare));
    out.least_payout = Amount(payout);
    return out;
}

}  // namespace decloud::client
