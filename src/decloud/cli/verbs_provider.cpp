#include "gateway_run.hpp"
#include "internal/own_node.hpp"
#include "internal/provider_workspace.hpp"
#include "provider_run.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/provider_setup.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

struct ProviderOptions {
    std::string id;
    std::string name;
    std::string url;
    std::string price;
    std::string to;
    std::string escrow;
    std::vector<std::string> tunnels;
};

Result<client::Config> new_config(const Workspace& workspace, const ProviderOptions& options) {
    client::Config config = workspace.config;
    TRY(const auto name, identity::ProviderName::parse(options.name));
    config.provider.name = name.full();
    config.provider.account = workspace.config.account;
    if (!options.url.empty()) {
        TRY(const net::Url url, net::parse_url(options.url));
        config.provider.public_url = options.url;
    }
    if (config.provider.public_url.empty()) {
        config.provider.public_url = "http://" + config.provider.listen;
    }
    if (!options.price.empty()) {
        TRY(config.provider.price, parse_money(options.price));
    }
    return config;
}

async::Task<Outcome> register_on_chain(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Context& context,
    const Workspace& workspace,
    const client::Config& config,
    client::ChainSession& session,
    client::Wallet& wallet
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(identity::KeyStore keys, context.keys(workspace));
    CO_TRY(const auto settler, keys.settler());
    CO_TRY(const auto rsa, keys.rsa_keys());
    CO_TRY(const auto name, identity::ProviderName::parse(config.provider.name));
    client::ProviderRegistration registration{.name = name,
        .url = config.provider.public_url,
        .rsa_jwk = json::to_text(rsa.front().public_key().to_jwk()),
        .settler = settler.address()};
    CO_TRY_VOID(co_await client::register_provider(
        session, wallet, std::move(registration), system_clock()));
    CO_TRY_VOID(client::ensure_delegation(workspace.home.delegation_file(), keys,
        config.provider.account, name, session.domain(), system_clock().unix_seconds()));
    context.print(
        {{"name", name.full()}, {"address", to_string(wallet.address())},
            {"url", config.provider.public_url}, {"settler", to_string(settler.address())}},
        fmt::format(
            "{}  {}  {}", name.full(), to_string(wallet.address()), config.provider.public_url));
    tell(fmt::format("the hot key {} settles and needs gas; decloud provider run starts selling",
        to_string(settler.address())));
    co_return ExitCode::ok;
}

Outcome register_verb(const Context& context, const ProviderOptions& options) {
    TRY(const Workspace workspace, internal::open_as_provider(context));
    TRY(const client::Config config, new_config(workspace, options));
    TRY(auto key, context.account_signer(workspace));
    TRY(const ExitCode code, run([&](async::Executor executor) {
        return with_wallet(executor, config.chain, workspace.home.wallets(), std::move(key),
            [&](client::ChainSession& session, client::Wallet& wallet) {
                return register_on_chain(context, workspace, config, session, wallet);
            });
    }));
    TRY_VOID(client::save_provider(workspace.home, config.provider));
    return code;
}

std::string amount_text(const json::Object& object, std::string_view member) {
    const auto text = json::string_member(object, member);
    const auto amount = text ? parse_amount(*text) : Result<Amount>(fail(text.error()));
    return amount ? format_usdc(*amount) : "?";
}

std::string status_text(const json::Object& status) {
    std::string text;
    if (const auto provider = json::object_member(status, "provider")) {
        text += fmt::format("provider   {}  {}  {}\n",
            json::string_member(*provider, "name").value_or("?"),
            json::string_member(*provider, "address").value_or("?"),
            json::string_member(*provider, "url").value_or("?"));
    }
    if (const auto chain = json::object_member(status, "chain")) {
        text += fmt::format("chain      {}  head {}, final {}\n",
            json::bool_member(*chain, "ready").value_or(false)
                ? "ready"
                : json::string_member(*chain, "reason").value_or("not ready"),
            json::uint_member(*chain, "head").value_or(0),
            json::uint_member(*chain, "finalized").value_or(0));
    }
    text += fmt::format("price      {} USDC per call\n", amount_text(status, "price"));
    if (const auto exposure = json::object_member(status, "exposure");
        exposure && exposure->contains("amount")) {
        text += fmt::format("exposure   {} of at most {} USDC served and not settled\n",
            amount_text(*exposure, "amount"), amount_text(*exposure, "limit"));
    }
    const auto channels = json::array_member(status, "channels");
    for (const json::Value& row : channels ? *channels : json::Array{}) {
        if (!row.is_object()) {
            continue;
        }
        const json::Object& channel = row.get_object();
        text += fmt::format("channel    {}  {} of {} USDC spent, {} claimed, {} calls{}\n",
            json::string_member(channel, "payer").value_or("?"), amount_text(channel, "spent"),
            amount_text(channel, "reserved"), amount_text(channel, "claimed"),
            json::uint_member(channel, "calls").value_or(0),
            channel.contains("stopped")
                ? ", stopped: " + json::string_member(channel, "stopped").value_or("")
                : "");
    }
    return text;
}

Outcome status(const Context& context, const ProviderOptions&) {
    return internal::ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer, co_await node.status());
        context.print(answer, status_text(answer));
        co_return ExitCode::ok;
    });
}

Outcome settle(const Context& context, const ProviderOptions&) {
    return internal::ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer, co_await node.settle());
        const auto block = json::uint_member(answer, "block").value_or(0);
        context.print(answer, block == 0 ? "nothing to settle"
                                         : fmt::format("+{} USDC settled in block {}",
                                               amount_text(answer, "amount"), block));
        co_return ExitCode::ok;
    });
}

Outcome payout(const Context& context, const ProviderOptions& options) {
    TRY(Workspace workspace, internal::open_as_provider(context));
    std::optional<Address> to;
    if (!options.to.empty()) {
        TRY(to, parse_address(options.to));
    }
    if (!options.escrow.empty()) {
        TRY(workspace.config.chain.contracts.escrow, parse_address(options.escrow));
    }
    TRY(auto key, context.account_signer(workspace));
    return run([&](async::Executor executor) {
        return with_wallet(executor, workspace.config.chain, workspace.home.wallets(),
            std::move(key),
            [&](client::ChainSession& session, client::Wallet& wallet) -> async::Task<Outcome> {
                CO_TRY(const Amount earned, co_await session.escrow().earned(wallet.address()));
                CO_TRY(const auto done, co_await wallet.payout(to));
                context.print({{"amount", to_string(earned)},
                                  {"to", to_string(to.value_or(wallet.address()))},
                                  {"block", done.block_number}},
                    fmt::format("{} USDC paid out to {} in block {}", format_usdc(earned),
                        to_string(to.value_or(wallet.address())), done.block_number));
                co_return ExitCode::ok;
            });
    });
}

}  // namespace

void add_provider_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("provider", "Sell: register, run, settle, be paid out");
    verb->require_subcommand(1);
    const auto options = std::make_shared<ProviderOptions>();
    const auto add = [&](const char* name, const char* help, auto work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    CLI::App* registration = add(
        "register", "Take a name, publish URL and key, allow the hot key to settle", register_verb);
    registration->add_option("name", options->name, "alice, or a full name")->required();
    registration->add_option("--url", options->url, "The base URL that callers reach");
    registration->add_option("--price", options->price, "USDC per call");
    CLI::App* runner = add("run", "Serve in the foreground until Ctrl-C",
        [](const Context& given, const ProviderOptions& chosen) {
            return run_provider(given, chosen.tunnels);
        });
    runner->alias("start");
    runner
        ->add_option("--tunnel", options->tunnels,
            "Be reached through this gateway, which is dialled: no open port is needed")
        ->type_name("URL");
    (void)add("status", "What the running node knows: chain, channels, exposure", status);
    (void)add("settle", "Claim on chain what was served, now", settle);
    add("forgive", "Count what an id has promised and not paid as paid; it may promise again",
        [](const Context& given, const ProviderOptions& chosen) {
            return internal::ask_node(
                given, [&given, &chosen](client::OperatorClient& node) -> async::Task<Outcome> {
                    CO_TRY(const json::Object debt, co_await node.forgive(chosen.id));
                    given.print(debt, chosen.id + " owes nothing any more");
                    co_return ExitCode::ok;
                });
        })
        ->add_option("id", options->id, "did:key:…, as decloud account debts shows it")
        ->required();
    CLI::App* out = add("payout", "Send what was earned to the provider's account", payout);
    out->add_option("--to", options->to, "Another address")->type_name("ADDRESS");
    out->add_option("--escrow", options->escrow, "Another escrow contract than the home's")
        ->type_name("ADDRESS");
    add_trial_verbs(*verb, context);
    add_rotate_key(*verb, context);
}

void add_gateway_verbs(CLI::App& app, Context& context) {
    CLI::App* verb =
        app.add_subcommand("gateway", "The entrance for callers who know a provider's name");
    verb->require_subcommand(1);
    CLI::App* runner = verb->add_subcommand("run", "Serve in the foreground until Ctrl-C");
    runner->alias("start");
    const auto console = std::make_shared<std::string>();
    runner->add_option("--console", *console, "Answer /metrics there, as 127.0.0.1:8403")
        ->type_name("HOST:PORT");
    runner->callback([&context, console] {
        context.action = [&context, console] { return run_gateway(context, *console); };
    });
}

}  // namespace decloud::cli
