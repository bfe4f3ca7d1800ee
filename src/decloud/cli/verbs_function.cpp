#include "internal/deploying.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/package.hpp>
#include <decloud/client/secrets.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

struct DeployOptions {
    std::string folder = ".";
    std::vector<std::string> providers;
    bool is_public = false;
    bool encrypt_program = false;
    bool revoke_old = false;
};

struct DeployWork {
    Workspace workspace;
    client::AccountSigner key;
    client::DeploymentPlan plan;
    std::vector<std::string> providers;
    bool revoke_old = false;
};

async::Task<Outcome> send_deployment(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Context& context,
    DeployWork& work,
    client::ChainSession& session,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const auto providers, co_await internal::find_providers(session, work.providers));
    const std::string name = work.plan.spec.manifest.name;
    const bool has_caps = work.plan.spec.owner_pays.callers != protocol::OwnerPays::Callers::none;
    const std::uint64_t per_day = work.plan.spec.owner_pays.per_day;
    CO_TRY(const auto deployed, co_await internal::deploy_plan(http, work.workspace.home,
                                    std::move(work.plan), providers, work.key, session.domain()));
    internal::tell_outcomes(deployed.outcomes);
    if (has_caps) {
        tell(fmt::format("you pay for at most {} calls of others a day at all providers together",
            per_day * deployed.version.providers.size()));
    }
    CO_TRY(const auto old,
        internal::answering_versions(work.workspace.home, name, deployed.version.cid));
    context.print(internal::to_json(deployed.version), deployed.version.cid);
    if (work.revoke_old) {
        CO_TRY_VOID(
            co_await internal::revoke_versions(http, session, work.workspace.home, old, work.key));
    } else {
        internal::tell_answering(old);
    }
    const bool complete = deployed.version.providers.size() == providers.size();
    co_return complete ? ExitCode::ok : ExitCode::failure;
}

Outcome deploy(Context& context, const DeployOptions& options) {
    TRY(client::Project project, client::load_project(options.folder));
    if (context.globals.account.empty() && !context.environment()("DECLOUD_ACCOUNT")) {
        context.globals.account = project.account;
    }
    TRY(Workspace workspace, context.open());
    TRY(auto key, context.account_signer(workspace));
    std::vector<std::string> providers =
        options.providers.empty() ? project.providers : options.providers;
    if (providers.empty()) {
        return fail_with_help(ClientError::usage, "no provider is named",
            "decloud deploy --provider NAME, or providers = [\"NAME\"] in decloud.toml");
    }
    TRY(const client::Secrets secrets,
        client::Secrets::load(workspace.home.secrets(), project.manifest.name));
    if (options.is_public && !secrets.variables().empty()) {
        // Before the build, which may take long.
        TRY_VOID(client::make_plan(
            project, {}, secrets.variables(), key.address(), {.is_public = true}));
    }
    TRY(Bytes package, client::build_package(project));
    TRY_VOID(client::settle_runtime(project));
    TRY(client::DeploymentPlan plan,
        client::make_plan(project, std::move(package), secrets.variables(), key.address(),
            {.is_public = options.is_public, .encrypt_program = options.encrypt_program}));
    DeployWork work{.workspace = std::move(workspace),
        .key = std::move(key),
        .plan = std::move(plan),
        .providers = std::move(providers),
        .revoke_old = options.revoke_old};
    return run([&](async::Executor executor) {
        return with_chain(executor, work.workspace.config.chain,
            [&context, &work, executor](client::ChainSession& session) {
                return with_http(executor, [&context, &work, &session](net::http::Client& http) {
                    return send_deployment(context, work, session, http);
                });
            });
    });
}

Outcome undeploy(const Context& context, const std::string& name_or_cid) {
    TRY(const Workspace workspace, context.open());
    TRY(const auto key, context.account_signer(workspace));
    TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    TRY(const auto match, deployments.resolve(name_or_cid));
    if (match.version.owner != key.address()) {
        return fail_with_help(ClientError::not_authorised,
            match.version.cid + " was deployed by " + to_string(match.version.owner),
            "decloud undeploy --account NAME, with that account");
    }
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
                    CO_TRY_VOID(co_await internal::revoke_versions(
                        http, session, workspace.home, {match.version}, key));
                    context.print(
                        {{"cid", match.version.cid}, {"revoked", true}}, match.version.cid);
                    co_return ExitCode::ok;
                });
            });
    });
}

Outcome init(const Context& context, const std::string& name, const std::string& kind) {
    const std::filesystem::path folder(name);
    TRY_VOID(client::create_project(folder, folder.filename().string(), kind));
    context.print({{"folder", folder.string()}}, folder.string());
    tell(
        fmt::format("decloud dev {0} runs it here; decloud dev {0} --run ./test tests it;\n"
                    "decloud deploy {0} --provider NAME deploys it",
            folder.string()));
    return ExitCode::ok;
}

}  // namespace

void add_function_verbs(CLI::App& app, Context& context) {
    struct InitOptions {
        std::string name;
        std::string kind = "c";
    };
    const auto init_options = std::make_shared<InitOptions>();
    CLI::App* init_verb = app.add_subcommand("init", "A new function in a folder of its name");
    init_verb->add_option("name", init_options->name, "The folder to make")->required();
    init_verb->add_option("--template", init_options->kind, "What it is written in")
        ->check(CLI::IsMember(client::project_templates()))
        ->capture_default_str();
    init_verb->callback([&context, init_options] {
        context.action = [&context, init_options] {
            return init(context, init_options->name, init_options->kind);
        };
    });

    const auto options = std::make_shared<DeployOptions>();
    CLI::App* deploy_verb = app.add_subcommand(
        "deploy", "Build, package, sign, encrypt and send a function; prints its cid");
    deploy_verb->add_option("folder", options->folder, "The folder with decloud.toml")
        ->capture_default_str();
    deploy_verb->add_option("--provider", options->providers, "Who runs it; may be repeated")
        ->take_all()
        ->type_name("NAME")
        ->allow_extra_args(false);
    deploy_verb->add_flag("--public", options->is_public, "Not encrypted: anybody may run it");
    deploy_verb->add_flag(
        "--encrypt-program", options->encrypt_program, "The program is stored encrypted, too");
    deploy_verb->add_flag(
        "--revoke-old", options->revoke_old, "End the versions that came before it");
    deploy_verb->callback([&context, options] {
        context.action = [&context, options] { return deploy(context, *options); };
    });

    const auto target = std::make_shared<std::string>();
    CLI::App* undeploy_verb =
        app.add_subcommand("undeploy", "End a deployment at all its providers: 410 from then on");
    undeploy_verb->add_option("function", *target, "NAME or CID")->required();
    undeploy_verb->callback([&context, target] {
        context.action = [&context, target] { return undeploy(context, *target); };
    });
}

}  // namespace decloud::cli
