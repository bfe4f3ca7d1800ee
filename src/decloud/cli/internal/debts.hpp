#pragma once

#include "../context.hpp"

#include <decloud/client/debtor.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace decloud::cli::internal {

/// What is needed to ask nodes about this home's debts, and to pay them. Stays where it is.
struct DebtWork {
    const Context& context;
    Workspace workspace;
    client::PromiseBook book;
    crypto::Secret seed;
    async::Executor executor;
    net::http::Client& http;
    /// Null: only nodes that were named by their URL can be asked, and none paid from a channel.
    client::ChainSession* session;
};

/// One debt, as the node says it now or, if it cannot be asked, as it said before.
struct AskedDebt {
    client::OwnDebt debt;
    std::optional<Error> problem;
};

/// Asks every node that this home ever promised something. Errors: the book's.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
[[nodiscard]] async::Task<Result<std::vector<AskedDebt>>> ask_debts(DebtWork& work);

/// What became of one debt that `keep_promises` looked at.
struct KeptPromise {
    client::OwnDebt debt;
    Amount paid;
    std::string receipt;
    std::optional<Error> problem;
};

/// Pays every debt that has come to its threshold or is due within `ahead`, by any way to pay of
/// this home and within its limits. Errors: the book's.
[[nodiscard]] async::Task<Result<std::vector<KeptPromise>>> keep_promises(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    DebtWork& work,
    std::chrono::seconds ahead);

/// Amounts as decimal strings of the smallest unit, times in seconds.
[[nodiscard]] json::Object to_json(const client::OwnDebt& debt);
/// One line for people.
[[nodiscard]] std::string to_text(const client::OwnDebt& debt);

/// `decloud account debts`: what this home owes and, if it runs a node, what it is owed.
[[nodiscard]] Outcome account_debts(const Context& context, bool offline);

}  // namespace decloud::cli::internal
