#pragma once

#include "../context.hpp"

#include <map>
#include <string>

namespace decloud::cli::internal {

/// What the home's own node says was spent, by channel; empty if none runs.
[[nodiscard]] async::Task<std::map<Bytes32, Amount>> served_by_own_node(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::string socket);

/// An account's money with the names that the home knows.
struct MoneyReport {
    Address account;
    client::EscrowReport escrow;
    /// Names of providers by address.
    std::map<Address, std::string> names;

    [[nodiscard]] bool running_low() const;
    [[nodiscard]] std::string name_of(const Address& provider) const;
};
[[nodiscard]] async::Task<Result<MoneyReport>> read_report(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Workspace& workspace,
    client::ChainSession& session,
    net::http::Client& http,
    Address account
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

[[nodiscard]] json::Object to_json(const MoneyReport& report);
[[nodiscard]] std::string to_text(const MoneyReport& report);
/// Names the command on standard error for every channel that runs low.
void tell_running_low(const MoneyReport& report);

}  // namespace decloud::cli::internal
