#include "verbs.hpp"

#include <decloud/client/economics.hpp>
#include <decloud/client/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

/// A token amount has six decimals and a gwei nine.
constexpr std::uint64_t kGweiScale = 1'000;

struct EconomicsOptions {
    std::vector<std::string> gas_prices{"0.01", "0.1", "1", "10"};
    std::string coin = "3000";
    std::string price = "0.001";
};

json::Object row_json(const std::string& gas_price, const client::PriceAdvice& advice) {
    return {{"gasPriceGwei", gas_price}, {"rowCost", to_string(advice.row_cost)},
        {"leastClaim", to_string(advice.least_claim)},
        {"callsPerClaim", to_string(Amount(advice.calls_per_claim))},
        {"leastPrice", to_string(advice.least_price)}, {"payerCost", to_string(advice.payer_cost)},
        {"leastBudget", to_string(advice.least_budget)},
        {"leastPayout", to_string(advice.least_payout)}};
}

std::string row_text(const std::string& gas_price, const client::PriceAdvice& advice) {
    return fmt::format("| {} gwei | {} | {} | {} | {} | {} | {} |\n", gas_price,
        format_usdc(advice.row_cost), format_usdc(advice.least_claim),
        to_string(Amount(advice.calls_per_claim)), format_usdc(advice.least_price),
        format_usdc(advice.least_budget), format_usdc(advice.least_payout));
}

Outcome economics(const Context& context, const EconomicsOptions& options) {
    TRY(const Amount coin, parse_money(options.coin));
    TRY(const Amount price, parse_money(options.price));
    const client::EscrowGas gas = client::escrow_gas();
    json::Array rows;
    std::string text = fmt::format(
        "| gas price | a row's gas | least claim | calls of {} | least price of 100 | least budget "
        "| least payout |\n|---|---|---|---|---|---|---|\n",
        options.price);
    for (const std::string& gas_price : options.gas_prices) {
        TRY(const Amount gwei, parse_money(gas_price));
        const client::GasMarket market{.wei_per_gas = gwei.units() * kGweiScale, .per_coin = coin};
        TRY(const auto advice, client::price_advice(gas, market, price));
        rows.emplace_back(row_json(gas_price, advice));
        text += row_text(gas_price, advice);
    }
    context.print({{"gas", json::Object{{"consumedRow", gas.consumed_row},
                               {"claimedRow", gas.claimed_row}, {"singleClaim", gas.single_claim},
                               {"payer", gas.payer}, {"payout", gas.payout}}},
                      {"usdcPerCoin", to_string(coin)}, {"price", to_string(price)},
                      {"rows", std::move(rows)}},
        text);
    return ExitCode::ok;
}

}  // namespace

void add_economics(CLI::App& escrow, Context& context) {
    const auto options = std::make_shared<EconomicsOptions>();
    CLI::App* verb = escrow.add_subcommand(
        "economics", "From which amounts on gas is at most one percent (asks nobody)");
    verb->add_option("--gas-price", options->gas_prices, "Gwei; may be repeated")
        ->allow_extra_args(false)
        ->type_name("GWEI");
    verb->add_option("--usdc-per-eth", options->coin, "What the chain's coin costs; default 3000")
        ->type_name("USDC");
    verb->add_option("--price", options->price, "Of one call; default 0.001")->type_name("USDC");
    verb->callback([&context, options] {
        context.action = [&context, options] { return economics(context, *options); };
    });
}

}  // namespace decloud::cli
