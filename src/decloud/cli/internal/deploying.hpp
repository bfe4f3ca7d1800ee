#pragma once

#include "../context.hpp"

#include <decloud/client/deploy.hpp>
#include <decloud/client/deployments.hpp>

#include <string>
#include <vector>

namespace decloud::cli::internal {

/// What a deployment brought about.
struct Deployed {
    client::DeployedVersion version;
    /// One for each provider that was asked.
    std::vector<client::ProviderOutcome> outcomes;
};

/// The providers by name, as the registry has them now. Errors: the name's, unknown_provider.
[[nodiscard]] async::Task<Result<std::vector<registry::Provider>>> find_providers(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession& session,
    std::vector<std::string> names);

/// Signs, seals and sends a plan, keeps it in the home as the newest version of its name. Error:
/// the first provider's if none took it.
[[nodiscard]] async::Task<Result<Deployed>> deploy_plan(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    const client::Home& home,
    client::DeploymentPlan plan,
    std::vector<registry::Provider> providers,
    const client::AccountSigner& owner,
    identity::Domain domain
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// Ends deployments at all their providers and marks those that every one of them ended. Says on
/// standard error what failed. Error: the first one's.
[[nodiscard]] async::Task<Result<void>> revoke_versions(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    client::ChainSession& session,
    const client::Home& home,
    std::vector<client::DeployedVersion> versions,
    const client::AccountSigner& owner
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// Versions of a name that still answer, but for `except`.
[[nodiscard]] Result<std::vector<client::DeployedVersion>> answering_versions(
    const client::Home& home, const std::string& name, const std::string& except);
/// Says on standard error which of them still answer, and how to end them.
void tell_answering(const std::vector<client::DeployedVersion>& versions);
/// Says on standard error which providers did not take it.
void tell_outcomes(const std::vector<client::ProviderOutcome>& outcomes);

[[nodiscard]] json::Object to_json(const client::DeployedVersion& version);

}  // namespace decloud::cli::internal
