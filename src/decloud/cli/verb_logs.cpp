#include "internal/deploying.hpp"
#include "verbs.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/logs.hpp>
#include <decloud/multiformats/cid.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

struct LogsOptions {
    std::string function;
    std::vector<std::string> providers;
    bool follow = false;
};

/// Whose logs are read, where.
struct LogsTarget {
    std::string cid;
    std::vector<std::string> providers;
};

Result<LogsTarget> find_target(const Workspace& workspace, const LogsOptions& options) {
    TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    const auto match = deployments.resolve(options.function);
    if (!match && !multiformats::Cid::parse(options.function)) {
        return std::unexpected(match.error());
    }
    LogsTarget out{.cid = match ? match->version.cid : options.function,
        .providers =
            options.providers.empty() && match ? match->version.providers : options.providers};
    if (out.providers.empty()) {
        return fail_with_help(ClientError::usage,
            "this home has not deployed " + out.cid + ", so it does not know who runs it",
            "decloud logs --provider NAME " + options.function);
    }
    return out;
}

struct LogsWork {
    const Context& context;
    client::AccountSigner owner;
    LogsTarget target;
    bool follow = false;
};

Result<void> show(const Context& context, const std::string& provider, json::Object entry) {
    TRY(const std::string text, client::describe_log(provider, entry));
    entry["provider"] = provider;
    const std::string line =
        context.globals.json ? json::to_text(json::Value(std::move(entry))) + "\n" : text;
    TRY_VOID(write_output(as_bytes(line)));
    return output_is_closed() ? fail(CommonError::cancelled, "nobody reads the logs any more")
                              : Result<void>{};
}

async::Task<void> read_one(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const LogsWork& work,
    client::ChainSession& session,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    registry::Provider provider,
    async::TaskGroup* readers,
    Result<void>* first_error) {
    const std::string name = provider.name.full();
    auto read = co_await client::read_logs(http,
        {.provider = std::move(provider), .cid = work.target.cid, .follow = work.follow},
        work.owner, session.domain(), work.context.clock(),
        [&](const json::Object& entry) { return show(work.context, name, entry); });
    if (!read && first_error->has_value()) {
        *first_error = fail(read.error().within(name));
    }
    if (output_is_closed()) {
        readers->cancel();
    }
}

async::Task<Outcome> read_all(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const LogsWork& work,
    client::ChainSession& session,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(auto providers, co_await internal::find_providers(session, work.target.providers));
    Result<void> first_error;
    async::TaskGroup readers(session.executor());
    for (registry::Provider& provider : providers) {
        readers.spawn(read_one(work, session, http, std::move(provider), &readers, &first_error));
    }
    co_await readers.join();
    if (!first_error) {
        co_return fail(std::move(first_error.error()));
    }
    co_return ExitCode::ok;
}

Outcome logs(const Context& context, const LogsOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(LogsTarget target, find_target(workspace, options));
    TRY(auto owner, context.account_signer(workspace));
    const LogsWork work{.context = context,
        .owner = std::move(owner),
        .target = std::move(target),
        .follow = options.follow};
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&work, executor](client::ChainSession& session) {
                return with_http(executor, [&work, &session](net::http::Client& http) {
                    return read_all(work, session, http);
                });
            });
    });
}

}  // namespace

void add_logs(CLI::App& app, Context& context) {
    const auto options = std::make_shared<LogsOptions>();
    CLI::App* verb = app.add_subcommand(
        "logs", "What your function wrote to standard error, and how its calls failed");
    verb->add_option("function", options->function, "NAME or CID")->required();
    verb->add_option("--provider", options->providers, "Only at this one; may be repeated")
        ->take_all()
        ->type_name("NAME")
        ->allow_extra_args(false);
    verb->add_flag("-f,--follow", options->follow, "Go on as calls come");
    verb->callback([&context, options] {
        context.action = [&context, options] { return logs(context, *options); };
    });
}

}  // namespace decloud::cli
