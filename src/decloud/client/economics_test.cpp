#include "economics.hpp"

#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>

namespace decloud::client {
namespace {

constexpr GasMarket kOneGwei{
    .wei_per_gas = 1'000'000'000, .per_coin = Amount(Uint128{3'000'000'000})};

TEST(Economics, GasCostsWhatItShouldRoundedUp) {
    // 100,000 gas at 1 gwei are 10^-4 coins.
    EXPECT_EQ(gas_cost(100'000, kOneGwei).value(), Amount(300'000));
    EXPECT_EQ(gas_cost(1, kOneGwei).value(), Amount(3));
    EXPECT_EQ(gas_cost(1, {.wei_per_gas = 1, .per_coin = Amount(1)}).value(), Amount(1));
    EXPECT_EQ(gas_cost(0, kOneGwei).value(), Amount(0));
    const auto most = std::numeric_limits<Uint128>::max();
    EXPECT_FALSE(gas_cost(2, {.wei_per_gas = most, .per_coin = Amount(1)}));
    EXPECT_FALSE(gas_cost(2, {.wei_per_gas = 1, .per_coin = Amount(most)}));
}

TEST(Economics, FollowingTheAdviceKeepsGasWithinOnePercent) {
    const EscrowGas gas = escrow_gas();
    for (const std::uint64_t wei :
        {1'000'000ULL, 30'000'000ULL, 1'000'000'000ULL, 50'000'000'000ULL}) {
        const GasMarket market{.wei_per_gas = wei, .per_coin = Amount(Uint128{2'345'678'901})};
        const auto advice = price_advice(gas, market, Amount(1000)).value();
        const auto at_most_a_percent = [&](std::uint64_t spent, Uint128 earned) {
            return gas_cost(spent, market).value().units() * 100 <= earned;
        };
        EXPECT_TRUE(at_most_a_percent(gas.consumed_row, advice.least_claim.units()));
        EXPECT_TRUE(at_most_a_percent(gas.claimed_row, advice.least_claim.units()));
        EXPECT_TRUE(at_most_a_percent(gas.consumed_row, advice.calls_per_claim * 1000));
        EXPECT_FALSE(at_most_a_percent(gas.consumed_row, (advice.calls_per_claim - 1) * 1000));
        EXPECT_TRUE(at_most_a_percent(gas.consumed_row, advice.least_price.units() * 100));
        EXPECT_TRUE(at_most_a_percent(gas.payer, advice.least_budget.units()));
        EXPECT_TRUE(at_most_a_percent(gas.payout, advice.least_payout.units()));
    }
    EXPECT_FALSE(price_advice(gas, kOneGwei, Amount(0)));
}

TEST(Economics, TheFiguresAreThoseOfTheContracts) {
    const char* const source = std::getenv("DECLOUD_SOURCE_DIR");
    ASSERT_NE(source, nullptr);
    std::ifstream file(std::string(source) + "/contracts/gas.json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const json::Object all = json::parse(text).value().get_object();
    const auto of = [&](const char* name) { return json::uint_member(all, name).value(); };
    const EscrowGas gas = escrow_gas();
    EXPECT_EQ(gas.single_claim, of("Escrow claimBatch, 1 row"));
    EXPECT_EQ(gas.claimed_row, (of("Escrow claimBatch, 10 rows") + 9) / 10);
    EXPECT_EQ(gas.consumed_row, (of("Escrow consumeBatch, 10 rows") + 9) / 10);
    EXPECT_EQ(gas.payer, of("Escrow deposit") + of("Escrow approve, with a signer") +
                             of("Escrow requestClose") + of("Escrow withdraw"));
    EXPECT_EQ(gas.payout, of("Escrow payout"));
}

}  // namespace
}  // namespace decloud::client
