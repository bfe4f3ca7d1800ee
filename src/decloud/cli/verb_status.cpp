#include "internal/money.hpp"
#include "verbs.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/client/deployments.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace decloud::cli {

namespace {

constexpr auto kProbeLimit = std::chrono::seconds(5);

/// "" if the server says that it is ready, else why not.
async::Task<std::string> readiness(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::string base) {
    const auto url = net::parse_url(base + "/readyz");
    if (!url) {
        co_return url.error().message();
    }
    const auto answer =
        co_await async::with_timeout(kProbeLimit, client::fetch(http, *url, {}, 65'536));
    co_return answer ? "" : answer.error().message();
}

std::string line(std::string_view what, std::string_view where, const std::string& problem) {
    return fmt::format("{:<10} {}  {}\n", what, where, problem.empty() ? "ready" : problem);
}

json::Object part(std::string_view url, const std::string& problem) {
    return {{"url", url}, {"ready", problem.empty()}, {"reason", problem}};
}

async::Task<Outcome> show_status(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Context& context,
    const Workspace& workspace,
    Address account,
    client::ChainSession& session,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const client::Config& config = workspace.config;
    CO_TRY(const std::uint64_t head, co_await session.ethereum().block_number());
    CO_TRY(const auto report, co_await internal::read_report(workspace, session, http, account));
    CO_TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    const std::string gateway = co_await readiness(http, config.gateway.url);
    json::Object object{{"home", workspace.home.describe()},
        {"chain", json::Object{{"rpc", config.chain.rpc_urls.front()},
                      {"id", config.chain.chain_id}, {"head", head}}},
        {"gateway", part(config.gateway.url, gateway)}, {"escrow", internal::to_json(report)},
        {"functions", deployments.functions().size()}};
    std::string text = fmt::format("home       {}\nchain      {}  id {}, block {}\n",
        workspace.home.describe(), config.chain.rpc_urls.front(), config.chain.chain_id, head);
    if (!config.provider.name.empty()) {
        const std::string provider = co_await readiness(http, config.provider.public_url);
        object["provider"] = part(config.provider.public_url, provider);
        text +=
            line("provider", config.provider.name + "  " + config.provider.public_url, provider);
    }
    text += line("gateway", config.gateway.url, gateway);
    text += fmt::format(
        "functions  {}\nyou        {}", deployments.functions().size(), internal::to_text(report));
    context.print(object, text);
    internal::tell_running_low(report);
    co_return report.running_low() ? ExitCode::payment : ExitCode::ok;
}

Outcome status(const Context& context) {
    TRY(const Workspace workspace, context.open());
    TRY(const Address account, context.account_address(workspace));
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) {
                    return show_status(context, workspace, account, session, http);
                });
            });
    });
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand(
        "status", "Chain, provider, gateway and money at a glance; exit 5 if a budget runs low");
    verb->callback([&context] { context.action = [&context] { return status(context); }; });
}

}  // namespace decloud::cli
