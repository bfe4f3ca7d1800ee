#include "paying.hpp"

#include <decloud/client/authorization_payer.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/x402_payer.hpp>

#include <CLI/CLI.hpp>

namespace decloud::cli::internal {

namespace {

Result<void> read_limit(const std::string& text, Amount& limit) {
    if (text.empty()) {
        return {};
    }
    const auto amount = parse_usdc(text);
    if (!amount) {
        return fail(ClientError::usage,
            "\"" + text + "\" is not an amount of USDC: write it like 5 or 0.001");
    }
    limit = *amount;
    return {};
}

}  // namespace

void add_spending_options(CLI::App& verb, SpendingOptions& options, const char* max_price_help) {
    verb.add_option("--max-price,--max", options.max_price, max_price_help)->type_name("USDC");
    verb.add_option("--max-per-provider", options.max_per_provider,
            "The most that one provider gets in a UTC day; default: [spending] of config.toml")
        ->type_name("USDC");
    verb.add_option("--max-per-day", options.max_per_day,
            "The most that this home spends in a UTC day; default: [spending] of config.toml")
        ->type_name("USDC");
}

Result<client::SpendingLimits> spending_limits(
    const Workspace& workspace, const SpendingOptions& options) {
    client::SpendingLimits limits = workspace.config.spending.limits;
    TRY_VOID(read_limit(options.max_price, limits.max_price));
    TRY_VOID(read_limit(options.max_per_provider, limits.max_per_provider));
    TRY_VOID(read_limit(options.max_per_day, limits.max_per_day));
    return limits;
}

Result<std::unique_ptr<Purse>> open_purse(
    const Context& context, const Workspace& workspace, const SpendingOptions& options) {
    TRY(const client::SpendingLimits limits, spending_limits(workspace, options));
    TRY(auto key, context.account_signer(workspace));
    TRY(auto book,
        client::SpendingBook::open(workspace.home.spending_file(), limits, system_clock()));
    auto purse = std::make_unique<Purse>(Purse{.key = std::move(key),
        .book = std::move(book),
        .max_price = {},
        .tokens = client::spendable_tokens(workspace.config),
        .windows = {.lanes = workspace.home.lanes(),
            .wallets = workspace.home.wallets(),
            .budget = limits.max_per_provider}});
    if (!options.max_price.empty()) {
        purse->max_price = limits.max_price;
    }
    return purse;
}

std::vector<std::unique_ptr<client::PaymentStrategy>> payment_strategies(
    net::http::Client& http, client::ChainSession* session, Purse& purse) {
    std::vector<std::unique_ptr<client::PaymentStrategy>> out;
    if (session != nullptr) {
        out.push_back(std::make_unique<client::AuthorizationPayer>(
            http, *session, purse.key, purse.book, purse.max_price, system_clock()));
        out.push_back(std::make_unique<client::WindowPayer>(
            http, *session, purse.key, purse.book, purse.windows, system_clock()));
    }
    out.push_back(std::make_unique<client::X402Payer>(
        http, purse.key, purse.book, purse.tokens, system_clock()));
    return out;
}

}  // namespace decloud::cli::internal
