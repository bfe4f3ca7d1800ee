#include "verbs.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/net/address.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/sandbox/sandbox.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kLittleDisk = kGiB;
constexpr std::uint64_t kClockTolerance = 60;
constexpr auto kProbeLimit = std::chrono::seconds(10);

/// One thing that was looked at.
struct Finding {
    std::string what;
    bool good = true;
    std::string text;
    /// How to mend it.
    std::string help;
};

/// A port that nothing holds, or that this home's own server answers on.
async::Task<Finding> check_port(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    async::Executor executor,
    std::string what,
    std::string listen,
    std::string flag) {
    Finding out{.what = "port of " + what, .good = true, .text = listen, .help = {}};
    const auto endpoint = net::parse_endpoint(listen);
    const auto url = net::parse_url("http://" + listen + "/healthz");
    if (!endpoint || !url) {
        out.good = false;
        out.text += " cannot be listened on";
        out.help = "correct it in config.toml";
        co_return out;
    }
    const auto answer =
        co_await async::with_timeout(kProbeLimit, client::fetch(http, *url, {}, 65'536));
    if (answer) {
        out.text += " answers";
        co_return out;
    }
    const auto free = net::http::Server::listen(
        executor, *endpoint, {}, [](net::http::Exchange) -> async::Task<void> { co_return; });
    out.good = free.has_value();
    out.text += out.good ? " is free" : " is in use by another program";
    out.help = out.good ? "" : "end that program, or take another port: decloud up " + flag + " N";
    co_return out;
}

void check_sandbox(std::vector<Finding>& findings) {
    const std::vector<std::string> missing = sandbox::missing_layers();
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kLayers{{
        {"namespaces", "sysctl kernel.unprivileged_userns_clone=1, or run as root"},
        {"cgroup", "let this user write a cgroup: run under systemd with Delegate=yes"},
        {"seccomp", "a kernel with CONFIG_SECCOMP_FILTER is needed"},
    }};
    for (const auto& [layer, help] : kLayers) {
        const auto found = std::ranges::find_if(
            missing, [name = layer](const std::string& text) { return text.starts_with(name); });
        const bool good = found == missing.end();
        findings.push_back({.what = std::string(layer),
            .good = good,
            .text = good ? "available for native programs" : *found,
            .help = good ? "" : std::string(help)});
    }
    const auto why = std::ranges::find_if(
        missing, [](const std::string& text) { return text.starts_with("freezer: "); });
    // Nothing is less contained without it.
    findings.push_back({.what = "freezer",
        .good = true,
        .text = why == missing.end() ? "idle servers stand still"
                                     : "idle servers go on running, as " + why->substr(9),
        .help = {}});
}

Finding check_disk(const client::Home& home) {
    Finding out{.what = "disk", .good = true, .text = {}, .help = {}};
    struct statvfs disk{};
    if (statvfs(home.data.c_str(), &disk) != 0) {
        out.good = false;
        out.text = errno_error("look at " + home.data.string()).message();
        return out;
    }
    const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    out.good = free >= kLittleDisk;
    out.text = fmt::format("{} MiB free for {}", free / kMiB, home.data.string());
    out.help = out.good ? "" : "make room: below that a node refuses calls before it charges them";
    return out;
}

std::string without_help(const Error& error) {
    const std::string text = error.message();
    return text.substr(0, text.find("\nhelp: "));
}

async::Task<std::vector<Finding>> check_chain(
    client::ChainConfig config, async::Executor executor) {
    std::vector<Finding> out;
    auto session =
        co_await client::ChainSession::connect(executor, {.chain = config}, system_clock());
    const std::string url = config.rpc_urls.empty() ? "none" : config.rpc_urls.front();
    if (!session) {
        out.push_back({.what = "chain",
            .good = false,
            .text = url + ": " + without_help(session.error()),
            .help = "decloud up starts a local chain; or correct [chain] rpc in config.toml"});
        out.push_back({.what = "clock",
            .good = true,
            .text = "cannot be compared without the chain",
            .help = {}});
        co_return out;
    }
    const auto block = co_await (*session)->ethereum().get_block(chain::BlockTag::latest());
    const auto code = co_await (*session)->ethereum().code(config.contracts.escrow);
    co_await (*session)->stop();
    const bool has_escrow = code && !code->empty();
    out.push_back({.what = "chain",
        .good = block.has_value() && has_escrow,
        .text = fmt::format("{} {}", url,
            !block       ? block.error().message()
            : has_escrow ? fmt::format("is at block {}", block->number)
                         : "has no escrow at " + to_string(config.contracts.escrow)),
        .help = has_escrow ? "" : "decloud up puts the contracts on a local chain"});
    if (block) {
        const std::uint64_t now = system_clock().unix_seconds().value;
        const std::uint64_t then = block->timestamp.value;
        const std::uint64_t apart = now > then ? now - then : then - now;
        out.push_back({.what = "clock",
            .good = apart <= kClockTolerance,
            .text = fmt::format("{} s from the chain's last block", apart),
            .help =
                apart <= kClockTolerance
                    ? ""
                    : "set this machine's clock (timedatectl set-ntp true), or the chain stands "
                      "still"});
    }
    co_return out;
}

async::Task<Outcome> examine(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Context& context,
    Workspace workspace,
    async::Executor executor) {
    const client::Config& config = workspace.config;
    std::vector<Finding> findings;
    const auto http = client::make_http_client(executor);
    findings.push_back(co_await check_port(
        *http, executor, "the provider", config.provider.listen, "--node-port"));
    findings.push_back(co_await check_port(
        *http, executor, "the console", config.provider.console, "--console-port"));
    findings.push_back(co_await check_port(
        *http, executor, "the gateway", config.gateway.listen, "--gateway-port"));
    co_await http->stop();
    check_sandbox(findings);
    for (Finding& finding : co_await check_chain(config.chain, executor)) {
        findings.push_back(std::move(finding));
    }
    findings.push_back(check_disk(workspace.home));
    json::Array rows;
    std::string text;
    for (const Finding& finding : findings) {
        rows.emplace_back(json::Object{{"what", finding.what}, {"ok", finding.good},
            {"text", finding.text}, {"help", finding.help}});
        text += fmt::format(
            "{:<4} {:<20} {}\n", finding.good ? "ok" : "bad", finding.what, finding.text);
        if (!finding.help.empty()) {
            text += fmt::format("     help: {}\n", finding.help);
        }
    }
    context.print({{"findings", std::move(rows)}}, text);
    co_return std::ranges::all_of(findings, &Finding::good) ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("doctor",
        "Find what is wrong on this machine (ports, sandbox, chain, clock, disk) and how to mend "
        "it");
    verb->callback([&context] {
        context.action = [&context]() -> Outcome {
            TRY(Workspace workspace, context.open());
            return run(
                [&](async::Executor executor) { return examine(context, workspace, executor); });
        };
    });
}

}  // namespace decloud::cli
