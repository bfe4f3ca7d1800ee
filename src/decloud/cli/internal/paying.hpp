#pragma once

#include "../context.hpp"

#include <decloud/client/payer.hpp>
#include <decloud/client/spending.hpp>
#include <decloud/client/window_payer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace decloud::cli::internal {

/// Limits by flags, over `[spending]` of config.toml.
struct SpendingOptions {
    std::string max_price;
    std::string max_per_provider;
    std::string max_per_day;
};

/// Adds `--max-per-provider` and `--max-per-day`, and `--max-price` with `max_price_help`.
void add_spending_options(CLI::App& verb, SpendingOptions& options, const char* max_price_help);

/// Those of the command line over those of the home. Error: ClientError::usage.
[[nodiscard]] Result<client::SpendingLimits> spending_limits(
    const Workspace& workspace, const SpendingOptions& options);

/// What an account pays with: its key and the home's book. Stays where it is while payers use it.
struct Purse {
    client::AccountSigner key;
    client::SpendingBook book;
    /// What was asked for on the command line.
    std::optional<Amount> max_price;
    std::vector<client::TokenId> tokens;
    client::WindowPayerSettings windows;
};
/// Errors: those of limits that cannot be read, of the account's key, and of the book.
[[nodiscard]] Result<std::unique_ptr<Purse>> open_purse(
    const Context& context, const Workspace& workspace, const SpendingOptions& options);

/// The ways to pay in the order in which they are tried. With `session`, from channels with our
/// providers. All outlive what is returned.
[[nodiscard]] std::vector<std::unique_ptr<client::PaymentStrategy>> payment_strategies(
    net::http::Client& http, client::ChainSession* session, Purse& purse);

}  // namespace decloud::cli::internal
