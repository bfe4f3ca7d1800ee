#include "up.hpp"

#include "internal/up_processes.hpp"
#include "internal/up_state.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/store/home_lock.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <optional>

namespace decloud::cli {

namespace fs = std::filesystem;
using internal::UpFunction;
using internal::UpMoney;
using internal::UpProcesses;
using internal::UpState;

namespace {

constexpr std::uint64_t kUpFreeBytes = 64 * kMiB;
constexpr auto kBudgetLimit = std::chrono::seconds(60);
constexpr auto kForever = std::chrono::hours(24 * 365);

/// What the calls of this run cost and where they were settled.
struct Proof {
    std::vector<UpFunction> functions;
    UpMoney money;
    Amount settled;
    std::uint64_t block = 0;
};

void fill_config(UpState& state) {
    client::Config& config = state.workspace.config;
    const UpOptions& options = state.options;
    config.chain.rpc_urls = {internal::local_url(options.chain_port)};
    config.chain.chain_id = options.x402_defaults ? internal::kX402ChainId : internal::kUpChainId;
    config.chain.finality_depth = 1;
    config.gateway.url = internal::local_url(options.gateway_port);
    config.gateway.listen = fmt::format("127.0.0.1:{}", options.gateway_port);
    config.gateway.domain = "localhost";
    config.gateway.allow_local_providers = true;
    config.provider.name = internal::kUpProvider;
    config.provider.listen = fmt::format("127.0.0.1:{}", options.node_port);
    config.provider.console = fmt::format("127.0.0.1:{}", options.console_port);
    config.provider.public_url = internal::local_url(options.node_port);
    config.provider.free_bytes = kUpFreeBytes;
    if (options.x402_defaults) {
        config.provider.x402 = "settled";
    }
}

Result<fs::path> find_examples(const fs::path& wanted) {
    std::error_code failed;
    const fs::path folder =
        wanted.empty() ? internal::own_program().parent_path() / ".." / "examples" : wanted;
    fs::path path = fs::weakly_canonical(folder, failed);
    if (failed || !fs::is_directory(path, failed)) {
        return fail_with_help(ClientError::not_found, path.string() + " is not a folder",
            "decloud up --examples DIR names the folder of the examples");
    }
    return path;
}

/// A home's ledger and transactions are of one chain.
Result<void> check_chain_of(const Workspace& workspace, const UpOptions& options) {
    const client::ChainConfig& chain = workspace.config.chain;
    const std::uint64_t wanted =
        options.x402_defaults ? internal::kX402ChainId : internal::kUpChainId;
    if (chain.contracts.escrow.is_zero() || chain.chain_id == wanted) {
        return {};
    }
    return fail_with_help(ClientError::usage,
        fmt::format("the home {} is of chain {}, not {}", workspace.home.describe(), chain.chain_id,
            wanted),
        options.x402_defaults ? "decloud up --x402-defaults --home DIR with another folder"
                              : "decloud up --x402-defaults goes on with it");
}

/// The node has seen the budget and lets it be spent.
async::Task<Result<void>> wait_for_budget(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::OperatorClient& node,
    std::string owner) {
    const auto end = std::chrono::steady_clock::now() + kBudgetLimit;
    for (;;) {
        CO_TRY(const json::Object status, co_await node.status());
        CO_TRY(const json::Array channels, json::array_member(status, "channels"));
        for (const json::Value& row : channels) {
            const auto payer = json::string_member(row.as_object(), "payer");
            const auto text = json::string_member(row.as_object(), "spendable");
            const auto spendable = text ? parse_amount(*text) : Result<Amount>(Amount{});
            if (payer && *payer == owner && row.as_object().contains("channel") && spendable &&
                spendable->units() >= 3 * internal::kUpPrice.units()) {
                co_return Result<void>{};
            }
        }
        if (std::chrono::steady_clock::now() > end) {
            co_return fail(CommonError::timeout, "the provider has not seen the reserved budget");
        }
        co_await async::delay(std::chrono::milliseconds(100));
    }
}

async::Task<Result<Proof>> call_and_settle(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainSession& session,
    net::http::Client& http,
    std::vector<UpFunction> functions
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    client::OperatorClient node(http, state.workspace.home.operator_socket().string());
    CO_TRY(const internal::UpAddresses addresses, internal::read_addresses(state));
    CO_TRY_VOID(co_await wait_for_budget(node, to_string(addresses.owner)));
    CO_TRY_VOID(co_await node.settle());
    CO_TRY(const UpMoney before, co_await internal::read_money(state, session));
    for (const UpFunction& function : functions) {
        CO_TRY_VOID(co_await internal::call_example(state, function, http));
    }
    CO_TRY(const json::Object settled, co_await node.settle());
    Proof proof;
    proof.functions = std::move(functions);
    CO_TRY(proof.block, json::uint_member(settled, "block"));
    CO_TRY(proof.money, co_await internal::read_money(state, session));
    const Amount price = state.workspace.config.provider.price;
    CO_TRY(const Amount cost, price.times(proof.functions.size()));
    proof.settled = proof.money.earned.saturating_minus(before.earned);
    const Amount claimed = proof.money.claimed.saturating_minus(before.claimed);
    if (proof.settled != cost || claimed != cost) {
        co_return fail(ClientError::payment,
            fmt::format("{} calls at {} USDC cost {}, but on chain {} was claimed and {} earned",
                proof.functions.size(), format_usdc(price), format_usdc(cost), format_usdc(claimed),
                format_usdc(proof.settled)));
    }
    co_return proof;
}

async::Task<Result<Proof>> prove(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    client::ChainSession& session,
    UpProcesses& processes
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY_VOID(co_await internal::ensure_accounts(state, session));
    CO_TRY_VOID(co_await processes.start_node_and_gateway());
    const auto http = client::make_http_client(session.executor());
    auto functions = co_await internal::deploy_examples(state, session, *http);
    Result<Proof> proof = fail(functions ? Error(CommonError::internal) : functions.error());
    if (functions) {
        proof = co_await call_and_settle(state, session, *http, std::move(*functions));
    }
    co_await http->stop();
    co_return proof;
}

async::Task<Result<Proof>> build_cloud(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    UpProcesses& processes,
    async::Executor executor
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY_VOID(co_await processes.start_chain());
    CO_TRY_VOID(co_await internal::ensure_contracts(state, executor));
    CO_TRY(const auto session,
        co_await client::ChainSession::connect(executor,
            {.chain = state.workspace.config.chain, .poll = std::chrono::milliseconds(100)},
            system_clock()));
    auto proof = co_await prove(state, *session, processes);
    co_await session->stop();
    co_return proof;
}

std::string subdomain_url(const UpState& state) {
    return fmt::format("http://alice.localhost:{}", state.options.gateway_port);
}

/// "5" for 5.000, "0.001".
std::string short_usdc(Amount amount) {
    std::string text = format_usdc(amount);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) {
        text.pop_back();
    }
    return text;
}

std::string describe(const UpState& state, const Proof& proof, Address owner) {
    const client::ProviderConfig& provider = state.workspace.config.provider;
    std::string thumbnail;
    for (const UpFunction& function : proof.functions) {
        if (function.name == "thumbnail") {
            thumbnail = function.cid;
        }
    }
    return fmt::format(
        "chain      {}  id {}\n"
        "provider   {}  {}    console {}\n"
        "gateway    {}\n"
        "you        {}   {} USDC free, {} of {} left for {} at {} per call, {} calls\n"
        "provider   +{} USDC settled in block {}\n"
        "thumbnail  curl --data-binary @examples/thumbnail/photo.jpg "
        "'{}/{}?width=200' > small.jpg\n",
        state.workspace.config.chain.rpc_urls.front(), state.workspace.config.chain.chain_id,
        provider.name, provider.public_url, internal::local_url(state.options.console_port),
        subdomain_url(state), short_address(owner), format_usdc(proof.money.free),
        format_usdc(proof.money.reserved.saturating_minus(proof.money.claimed)),
        short_usdc(proof.money.reserved), provider.name,
        short_usdc(state.workspace.config.provider.price), proof.money.calls,
        format_usdc(proof.settled), proof.block, subdomain_url(state), thumbnail);
}

json::Object to_json(
    const UpState& state, const Proof& proof, const internal::UpAddresses& addresses) {
    const client::Config& config = state.workspace.config;
    json::Array functions;
    for (const UpFunction& function : proof.functions) {
        functions.emplace_back(json::Object{{"name", function.name}, {"cid", function.cid},
            {"url", fmt::format(
                        "{}/p/{}/{}", config.gateway.url, config.provider.name, function.cid)}});
    }
    return {{"chain",
                json::Object{{"rpc", config.chain.rpc_urls.front()}, {"id", config.chain.chain_id},
                    {"escrow", to_string(config.chain.contracts.escrow)},
                    {"registry", to_string(config.chain.contracts.registry)},
                    {"usdc", to_string(config.chain.contracts.usdc)}}},
        {"provider",
            json::Object{{"name", config.provider.name}, {"url", config.provider.public_url},
                {"console", internal::local_url(state.options.console_port)},
                {"address", to_string(addresses.provider)}}},
        {"gateway",
            json::Object{{"url", config.gateway.url}, {"provider_url", subdomain_url(state)}}},
        {"account", json::Object{{"address", to_string(addresses.owner)}}},
        {"functions", std::move(functions)}};
}

async::Task<Outcome> up(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    UpProcesses& processes,
    async::Event& interrupted,
    bool& built,
    async::Executor executor
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const auto proof = co_await build_cloud(state, processes, executor);
    built = true;
    Outcome outcome = ExitCode::ok;
    const auto addresses = internal::read_addresses(state);
    if (!proof || !addresses) {
        outcome = fail(proof ? addresses.error() : proof.error());
    } else {
        state.context.print(
            to_json(state, *proof, *addresses), describe(state, *proof, addresses->owner));
        if (!state.options.once) {
            processes.keep_running();
            (void)co_await interrupted.wait(kForever);
        }
    }
    co_await processes.stop();
    co_return outcome;
}

/// Ctrl-C while the cloud is built: what was started is stopped, what is under way is dropped.
async::Task<void> stop_early(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpProcesses& processes) {
    co_await processes.stop();
    std::_Exit(static_cast<int>(ExitCode::cancelled));
}

Outcome run_processes(UpState& state) {
    boost::asio::io_context io(1);
    UpProcesses processes(io.get_executor(), state);
    async::Event interrupted(io.get_executor());
    bool built = false;
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code& error, int) {
        if (error) {
            return;
        }
        if (built) {
            interrupted.set();
        } else {
            boost::asio::co_spawn(io, stop_early(processes), [](std::exception_ptr problem) {
                if (problem) {
                    std::rethrow_exception(problem);
                }
            });
        }
    });
    std::optional<Outcome> outcome;
    std::exception_ptr problem;
    boost::asio::co_spawn(io, up(state, processes, interrupted, built, io.get_executor()),
        [&](std::exception_ptr error, Outcome result) {
            problem = error;
            outcome = std::move(result);
            signals.cancel();
        });
    io.run();
    if (problem) {
        std::rethrow_exception(problem);
    }
    return outcome ? std::move(*outcome)
                   : Outcome(fail(CommonError::internal, "the work did not end"));
}

}  // namespace

Outcome run_up(const Context& context, UpOptions options) {
    TRY(Workspace workspace, context.open());
    auto lock = store::HomeLock::acquire(workspace.home.state / "up");
    if (!lock) {
        return fail(
            lock.error().within("another decloud up uses the home " + workspace.home.describe()));
    }
    if (auto node = store::HomeLock::acquire(workspace.home.node()); !node) {
        return fail(node.error().within("a node uses the home " + workspace.home.describe()));
    }
    TRY_VOID(check_chain_of(workspace, options));
    TRY(const fs::path examples, find_examples(options.examples));
    TRY_VOID(internal::choose_ports(options));
    UpState state{.context = context,
        .options = options,
        .workspace = std::move(workspace),
        .examples = examples};
    fill_config(state);
    return run_processes(state);
}

}  // namespace decloud::cli
