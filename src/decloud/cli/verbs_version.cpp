#include "internal/deploying.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/store/home_lock.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <ranges>

namespace decloud::cli {

namespace {

std::string version_line(const client::DeployedVersion& version, bool is_current) {
    return fmt::format("{} {}  {}  {}{}\n", is_current ? "*" : " ", version.cid,
        format_utc(version.created), fmt::join(version.providers, ","),
        version.revoked ? "  revoked" : "");
}

Outcome list(const Context& context) {
    TRY(const Workspace workspace, context.open());
    TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    json::Array rows;
    std::string text;
    for (const auto& [name, function] : deployments.functions()) {
        const client::DeployedVersion* version = function.current_version();
        if (version == nullptr) {
            continue;
        }
        json::Object row = internal::to_json(*version);
        row["name"] = name;
        rows.emplace_back(std::move(row));
        text += fmt::format("{:<16} {}  {}{}\n", name, version->cid,
            fmt::join(version->providers, ","), version->revoked ? "  revoked" : "");
    }
    context.print({{"functions", std::move(rows)}}, text);
    return ExitCode::ok;
}

Outcome show(const Context& context, const std::string& name_or_cid) {
    TRY(const Workspace workspace, context.open());
    TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    TRY(const auto match, deployments.resolve(name_or_cid));
    json::Object object = internal::to_json(match.version);
    object["name"] = match.name;
    json::Array urls;
    std::string text = fmt::format(
        "name       {}\ncid        {}\ndeployed   {}\nowner      {}\n"
        "price      at most {} USDC per call\nvisible    {}\n",
        match.name, match.version.cid, format_utc(match.version.created),
        to_string(match.version.owner), format_usdc(match.version.max_price),
        match.version.is_public ? "to anybody" : "to its providers");
    for (const std::string& provider : match.version.providers) {
        const std::string url =
            fmt::format("{}/p/{}/{}", workspace.config.gateway.url, provider, match.version.cid);
        text += fmt::format("provider   {}  {}\n", provider, url);
        urls.emplace_back(url);
    }
    object["urls"] = std::move(urls);
    if (match.version.revoked) {
        text += "revoked    yes\n";
    }
    context.print(object, text);
    return ExitCode::ok;
}

Outcome versions(const Context& context, const std::string& name) {
    TRY(const Workspace workspace, context.open());
    TRY(auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    const client::NamedFunction* function = deployments.find(name);
    if (function == nullptr) {
        return fail_with_help(ClientError::not_found,
            "this home has deployed nothing called " + name, "decloud ls shows what it has");
    }
    json::Array rows;
    std::string text;
    for (const client::DeployedVersion& version : function->versions) {
        const bool is_current = version.cid == function->current;
        json::Object row = internal::to_json(version);
        row["current"] = is_current;
        rows.emplace_back(std::move(row));
        text += version_line(version, is_current);
    }
    context.print({{"name", name}, {"versions", std::move(rows)}}, text);
    return ExitCode::ok;
}

struct RollbackOptions {
    std::string name;
    std::string cid;
    bool revoke_old = false;
};

/// The version to go back to: the one that was named, or the newest before the current one that
/// still answers.
Result<std::string> rollback_target(
    const client::NamedFunction& function, const RollbackOptions& options) {
    const auto is_current = [&](const client::DeployedVersion& version) {
        return version.cid == function.current;
    };
    if (options.cid.empty()) {
        const auto newest_first = std::views::reverse(function.versions);
        const auto current = std::ranges::find_if(newest_first, is_current);
        const auto earlier = std::ranges::find_if(current, newest_first.end(),
            [&](const auto& version) { return !version.revoked && !is_current(version); });
        if (earlier != newest_first.end()) {
            return earlier->cid;
        }
        return fail(
            ClientError::not_found, options.name + " has no earlier version that still answers");
    }
    const auto found =
        std::ranges::find(function.versions, options.cid, &client::DeployedVersion::cid);
    if (found == function.versions.end()) {
        return fail_with_help(ClientError::not_found,
            options.cid + " is no version of " + options.name, "decloud versions " + options.name);
    }
    if (found->revoked) {
        return fail_with_help(
            ClientError::gone, options.cid + " was ended", "decloud deploy makes a new version");
    }
    return found->cid;
}

Outcome revoke_others(const Context& context,
    const Workspace& workspace,
    const std::vector<client::DeployedVersion>& old) {
    TRY(const auto key, context.account_signer(workspace));
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
                    CO_TRY_VOID(co_await internal::revoke_versions(
                        http, session, workspace.home, old, key));
                    co_return ExitCode::ok;
                });
            });
    });
}

Outcome rollback(const Context& context, const RollbackOptions& options) {
    TRY(const Workspace workspace, context.open());
    std::string target;
    {
        TRY(const auto lock, store::HomeLock::acquire(
                                 workspace.home.state / "deployments", std::chrono::seconds(10)));
        TRY(auto deployments, client::Deployments::load(workspace.home.deployments_file()));
        client::NamedFunction* function = deployments.find(options.name);
        if (function == nullptr) {
            return fail_with_help(ClientError::not_found,
                "this home has deployed nothing called " + options.name,
                "decloud ls shows what it has");
        }
        TRY(target, rollback_target(*function, options));
        function->current = target;
        TRY_VOID(deployments.save(workspace.home.deployments_file()));
    }
    TRY(const auto old, internal::answering_versions(workspace.home, options.name, target));
    context.print({{"name", options.name}, {"cid", target}}, target);
    if (options.revoke_old) {
        return revoke_others(context, workspace, old);
    }
    internal::tell_answering(old);
    return ExitCode::ok;
}

}  // namespace

void add_version_verbs(CLI::App& app, Context& context) {
    CLI::App* ls =
        app.add_subcommand("ls", "What this home has deployed, each with its current cid");
    ls->callback([&context] { context.action = [&context] { return list(context); }; });

    const auto shown = std::make_shared<std::string>();
    CLI::App* show_verb = app.add_subcommand("show", "One deployment: owner, price, URLs");
    show_verb->add_option("function", *shown, "NAME or CID")->required();
    show_verb->callback([&context, shown] {
        context.action = [&context, shown] { return show(context, *shown); };
    });

    const auto named = std::make_shared<std::string>();
    CLI::App* versions_verb = app.add_subcommand("versions", "All versions of a name");
    versions_verb->add_option("name", *named, "The function's name")->required();
    versions_verb->callback([&context, named] {
        context.action = [&context, named] { return versions(context, *named); };
    });

    const auto options = std::make_shared<RollbackOptions>();
    CLI::App* rollback_verb = app.add_subcommand(
        "rollback", "Move a name to an earlier version; other versions go on answering");
    rollback_verb->add_option("name", options->name, "The function's name")->required();
    rollback_verb->add_option("cid", options->cid, "The version; default: the one before");
    rollback_verb->add_flag("--revoke-old", options->revoke_old, "End all other versions");
    rollback_verb->callback([&context, options] {
        context.action = [&context, options] { return rollback(context, *options); };
    });
}

}  // namespace decloud::cli
