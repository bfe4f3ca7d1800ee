#include "internal/deploying.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/secrets.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxSecret = 64 * 1024;

struct SecretOptions {
    std::string name;
    std::string key;
    std::string file;
    bool revoke_old = false;
};

/// A new version of what `name` is now, with these secrets.
async::Task<Outcome> redeploy(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Context& context,
    const Workspace& workspace,
    const client::DeployedVersion& current,
    const client::AccountSigner& key,
    client::ChainSession& session,
    net::http::Client& http,
    const SecretOptions& options,
    protocol::Variables secrets
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(client::DeploymentPlan plan, client::load_plan(workspace.home.versions(), current.cid));
    plan.spec.secrets = std::move(secrets);
    CO_TRY(const auto providers, co_await internal::find_providers(session, current.providers));
    CO_TRY(const auto deployed, co_await internal::deploy_plan(http, workspace.home,
                                    std::move(plan), providers, key, session.domain()));
    internal::tell_outcomes(deployed.outcomes);
    context.print(
        {{"name", options.name}, {"key", options.key}, {"cid", deployed.version.cid}}, "");
    tell(fmt::format("{} is now {}", options.name, deployed.version.cid));
    CO_TRY(const auto old,
        internal::answering_versions(workspace.home, options.name, deployed.version.cid));
    if (options.revoke_old) {
        CO_TRY_VOID(co_await internal::revoke_versions(http, session, workspace.home, old, key));
    } else {
        internal::tell_answering(old);
    }
    co_return ExitCode::ok;
}

/// What is deployed gets the changed secrets in a new version.
Outcome apply(const Context& context,
    const Workspace& workspace,
    const SecretOptions& options,
    const client::Secrets& secrets) {
    TRY(auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    const client::NamedFunction* function = deployments.find(options.name);
    const client::DeployedVersion* current =
        function == nullptr ? nullptr : function->current_version();
    if (current == nullptr || current->revoked) {
        context.print({{"name", options.name}, {"key", options.key}, {"cid", nullptr}}, "");
        tell(fmt::format("the next decloud deploy of {} carries it", options.name));
        return ExitCode::ok;
    }
    if (current->is_public) {
        context.print({{"name", options.name}, {"key", options.key}, {"cid", nullptr}}, "");
        tell(fmt::format(
            "{} is public, so it has no secrets; deploy it without --public", options.name));
        return ExitCode::ok;
    }
    TRY(const auto key, context.account_signer(workspace));
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) {
                    return redeploy(context, workspace, *current, key, session, http, options,
                        secrets.variables());
                });
            });
    });
}

Outcome set(const Context& context, const SecretOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(client::Secrets secrets, client::Secrets::load(workspace.home.secrets(), options.name));
    TRY(Bytes value, read_input(options.file, kMaxSecret + 1,
                         "give the value on standard input or with --file FILE"));
    std::string_view text = as_text(value);
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    if (text.empty()) {
        crypto::wipe(value);
        return fail_with_help(ClientError::usage, "the value is empty",
            "give it on standard input or with --file FILE");
    }
    const auto changed = secrets.set(options.key, text);
    crypto::wipe(value);
    if (!changed) {
        return fail(changed.error());
    }
    TRY_VOID(secrets.save());
    return apply(context, workspace, options, secrets);
}

Outcome remove(const Context& context, const SecretOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(client::Secrets secrets, client::Secrets::load(workspace.home.secrets(), options.name));
    if (!secrets.remove(options.key)) {
        return fail_with_help(ClientError::not_found,
            options.name + " has no secret " + options.key, "decloud secret list " + options.name);
    }
    TRY_VOID(secrets.save());
    return apply(context, workspace, options, secrets);
}

Outcome list(const Context& context, const SecretOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(const client::Secrets secrets,
        client::Secrets::load(workspace.home.secrets(), options.name));
    const std::vector<std::string> names = secrets.names();
    context.print({{"name", options.name}, {"secrets", json::Array(names.begin(), names.end())}},
        fmt::format("{}", fmt::join(names, "\n")));
    return ExitCode::ok;
}

}  // namespace

void add_secret_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand(
        "secret", "Values that only the providers of a function can read; never shown again");
    verb->require_subcommand(1);
    const auto options = std::make_shared<SecretOptions>();
    const auto add = [&](const char* name, const char* help, auto act, bool with_key) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->add_option("name", options->name, "The function's name")->required();
        if (with_key) {
            inner->add_option("key", options->key, "The variable's name")->required();
            inner->add_flag(
                "--revoke-old", options->revoke_old, "End the versions with the old secrets");
        }
        inner->callback([&context, options, act] {
            context.action = [&context, options, act] { return act(context, *options); };
        });
        return inner;
    };
    CLI::App* set_verb =
        add("set", "Set one; the value comes from standard input or a file", set, true);
    set_verb->add_option("--file", options->file, "Where the value is")->type_name("FILE");
    (void)add("list", "The names of a function's secrets", list, false);
    (void)add("remove", "Remove one", remove, true);
}

}  // namespace decloud::cli
