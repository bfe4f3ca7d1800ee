#include "deploying.hpp"

#include <decloud/client/error.hpp>
#include <decloud/store/home_lock.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace decloud::cli::internal {

namespace {

constexpr auto kLockPatience = std::chrono::seconds(10);

/// Changes the file of deployments while no other process does.
Result<void> change_deployments(
    const client::Home& home, const std::function<Result<void>(client::Deployments&)>& change) {
    TRY(const auto lock, store::HomeLock::acquire(home.state / "deployments", kLockPatience));
    TRY(auto deployments, client::Deployments::load(home.deployments_file()));
    TRY_VOID(change(deployments));
    return deployments.save(home.deployments_file());
}

}  // namespace

async::Task<Result<std::vector<registry::Provider>>> find_providers(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession& session,
    std::vector<std::string> names) {
    std::vector<registry::Provider> out;
    for (const std::string& text : names) {
        CO_TRY(const identity::ProviderName name, identity::ProviderName::parse(text));
        if (std::ranges::find(out, name, &registry::Provider::name) != out.end()) {
            continue;
        }
        CO_TRY(registry::Provider provider, co_await session.find_provider(name));
        out.push_back(std::move(provider));
    }
    co_return out;
}

async::Task<Result<Deployed>> deploy_plan(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    const client::Home& home,
    client::DeploymentPlan plan,
    std::vector<registry::Provider> providers,
    const client::AccountSigner& owner,
    identity::Domain domain
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    for (const registry::Provider& provider : providers) {
        CO_TRY_VOID(co_await client::check_limits(http, provider, plan.spec.manifest));
    }
    CO_TRY(const auto known, client::Deployments::load(home.deployments_file()));
    plan.spec.created = known.next_creation(plan.spec.manifest.name, system_clock().unix_seconds());
    CO_TRY(const auto sealed, client::seal_deployment(plan, providers, owner, domain));
    CO_TRY(const std::string print, client::fingerprint(plan, providers, domain));
    Deployed out{.version = {.cid = sealed.cid.to_string(),
                     .created = plan.spec.created,
                     .providers = {},
                     .is_public = plan.is_public,
                     .owner = owner.address(),
                     .spec_hash = sealed.spec_hash,
                     .max_price = plan.spec.max_price,
                     .fingerprint = print},
        .outcomes = co_await client::send_content(
            http, providers, sealed.car, owner, domain, system_clock())};
    for (const client::ProviderOutcome& outcome : out.outcomes) {
        if (outcome.result) {
            out.version.providers.push_back(outcome.provider);
        }
    }
    if (out.version.providers.empty()) {
        const client::ProviderOutcome& first = out.outcomes.front();
        co_return fail(first.result.error().within(first.provider));
    }
    CO_TRY_VOID(client::save_plan(home.versions(), out.version.cid, plan));
    const std::string& name = plan.spec.manifest.name;
    CO_TRY_VOID(change_deployments(home, [&](client::Deployments& deployments) -> Result<void> {
        deployments.add(name, out.version);
        return {};
    }));
    co_return out;
}

async::Task<Result<void>> revoke_versions(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    client::ChainSession& session,
    const client::Home& home,
    std::vector<client::DeployedVersion> versions,
    const client::AccountSigner& owner
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    Result<void> first;
    for (const client::DeployedVersion& version : versions) {
        CO_TRY(auto providers, co_await find_providers(session, version.providers));
        const auto outcomes = co_await client::send_revocation(http, std::move(providers),
            version.cid, version.spec_hash, owner, session.domain(), system_clock());
        bool all = true;
        for (const client::ProviderOutcome& outcome : outcomes) {
            if (outcome.result) {
                continue;
            }
            all = false;
            tell(fmt::format("{} at {} still answers: {}", version.cid, outcome.provider,
                outcome.result.error().message()));
            if (first) {
                first = fail(outcome.result.error().within(outcome.provider));
            }
        }
        if (!all) {
            continue;
        }
        CO_TRY_VOID(change_deployments(home, [&](client::Deployments& deployments) -> Result<void> {
            const auto match = deployments.resolve(version.cid);
            if (match) {
                deployments.find(match->name)->find(version.cid)->revoked = true;
            }
            return {};
        }));
        // What it was deployed with, secrets included, is of no use any more.
        std::error_code ignored;
        std::filesystem::remove_all(home.versions() / version.cid, ignored);
    }
    co_return first;
}

Result<std::vector<client::DeployedVersion>> answering_versions(
    const client::Home& home, const std::string& name, const std::string& except) {
    TRY(auto deployments, client::Deployments::load(home.deployments_file()));
    std::vector<client::DeployedVersion> out;
    if (const client::NamedFunction* function = deployments.find(name)) {
        std::ranges::copy_if(function->versions, std::back_inserter(out),
            [&](const client::DeployedVersion& version) {
                return !version.revoked && version.cid != except;
            });
    }
    return out;
}

void tell_answering(const std::vector<client::DeployedVersion>& versions) {
    for (const client::DeployedVersion& version : versions) {
        tell(fmt::format("still answers: {}  (decloud undeploy {})", version.cid, version.cid));
    }
}

void tell_outcomes(const std::vector<client::ProviderOutcome>& outcomes) {
    for (const client::ProviderOutcome& outcome : outcomes) {
        if (!outcome.result) {
            tell(fmt::format(
                "{} did not take it: {}", outcome.provider, outcome.result.error().message()));
        }
    }
}

json::Object to_json(const client::DeployedVersion& version) {
    return {{"cid", version.cid}, {"created", version.created.value},
        {"providers", json::Array(version.providers.begin(), version.providers.end())},
        {"public", version.is_public}, {"owner", to_string(version.owner)},
        {"maxPrice", to_string(version.max_price)}, {"revoked", version.revoked}};
}

}  // namespace decloud::cli::internal
