#include "internal/exposure.hpp"
#include "internal/money.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

struct EscrowOptions {
    std::string amount;
    std::string target;
    std::string to;
    std::string price;
    std::string budget;
    std::string escrow;
};

using Step = std::function<async::Task<Result<chain::TransactionOutcome>>(
    client::ChainSession&, client::Wallet&)>;

Result<Workspace> open(const Context& context, const EscrowOptions& options) {
    TRY(Workspace workspace, context.open());
    if (!options.escrow.empty()) {
        const auto address = parse_address(options.escrow);
        if (!address) {
            return fail(ClientError::usage, "--escrow: " + address.error().detail());
        }
        workspace.config.chain.contracts.escrow = *address;
    }
    return workspace;
}

Outcome act(const Context& context, const EscrowOptions& options, Step step) {
    TRY(const Workspace workspace, open(context, options));
    TRY(auto key, context.account_signer(workspace));
    return run([&](async::Executor executor) {
        return with_wallet(executor, workspace.config.chain, workspace.home.wallets(),
            std::move(key),
            [&](client::ChainSession& session, client::Wallet& wallet) -> async::Task<Outcome> {
                CO_TRY(const auto done, co_await step(session, wallet));
                CO_TRY(const Amount free, co_await session.escrow().free_balance(wallet.address()));
                context.print({{"transaction", to_string(done.hash)}, {"block", done.block_number},
                                  {"free", to_string(free)}},
                    fmt::format(
                        "done in block {}; {} USDC free", done.block_number, format_usdc(free)));
                co_return ExitCode::ok;
            });
    });
}

/// A channel by its id, or the open one for a provider's name.
async::Task<Result<Bytes32>> find_channel(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession& session,
    Address payer,
    std::string target) {
    if (target.starts_with("0x") && target.size() == 66) {
        co_return parse_bytes32(target);
    }
    CO_TRY(const auto name, identity::ProviderName::parse(target));
    CO_TRY(const auto provider, co_await session.find_provider(name));
    CO_TRY(const auto channel, co_await session.escrow().allowance(payer, provider.address));
    if (!channel) {
        co_return fail_with_help(ClientError::not_found,
            to_string(payer) + " has no open channel with " + name.full(),
            "decloud escrow approve " + name.full() +
                " --price 0.001 --budget 5; closing ones are in decloud escrow status");
    }
    co_return channel->id;
}

/// A channel by its id, or the closing one with a provider of this name.
async::Task<Result<Bytes32>> find_closing_channel(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession& session,
    Address payer,
    std::string target) {
    if (target.starts_with("0x")) {
        const auto id = parse_bytes32(target);
        if (!id) {
            co_return fail_with_help(ClientError::usage, "\"" + target + "\" is no channel's id",
                "decloud escrow status --json shows the ids");
        }
        co_return *id;
    }
    CO_TRY(const auto name, identity::ProviderName::parse(target));
    CO_TRY(const auto provider, co_await session.find_provider(name));
    CO_TRY(const auto report,
        co_await client::read_escrow(session, payer, {}, system_clock().unix_seconds()));
    std::vector<Bytes32> closing;
    std::string lines;
    for (const client::ChannelReport& row : report.channels) {
        if (row.provider == provider.address && row.close_at.value != 0) {
            closing.push_back(row.id);
            lines += fmt::format("\n  {}  closes {}", to_string(row.id), format_utc(row.close_at));
        }
    }
    if (closing.empty()) {
        co_return fail_with_help(ClientError::not_found,
            to_string(payer) + " has no channel with " + name.full() + " that is closing",
            "decloud escrow close " + name.full() + " asks to leave it");
    }
    if (closing.size() > 1) {
        co_return fail_with_help(ClientError::usage,
            "more than one channel with " + name.full() + " is closing:" + lines,
            "decloud escrow finalize ID");
    }
    co_return closing.front();
}

Outcome deposit(const Context& context, const EscrowOptions& options) {
    TRY(const Amount amount, parse_money(options.amount));
    return act(context, options,
        [amount](client::ChainSession&, client::Wallet& wallet) { return wallet.deposit(amount); });
}

Outcome withdraw(const Context& context, const EscrowOptions& options) {
    TRY(const Amount amount, parse_money(options.amount));
    std::optional<Address> to;
    if (!options.to.empty()) {
        const auto address = parse_address(options.to);
        if (!address) {
            return fail(ClientError::usage, "--to: " + address.error().detail());
        }
        to = *address;
    }
    return act(context, options, [amount, to](client::ChainSession&, client::Wallet& wallet) {
        return wallet.withdraw(amount, to);
    });
}

async::Task<Result<chain::TransactionOutcome>> approve_provider(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession& session,
    client::Wallet& wallet,
    std::string provider_name,
    Amount price,
    Amount budget
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const auto name, identity::ProviderName::parse(provider_name));
    CO_TRY(const auto provider, co_await session.find_provider(name));
    CO_TRY(
        const auto open, co_await session.escrow().allowance(wallet.address(), provider.address));
    CO_TRY(auto done, co_await wallet.approve(provider.address, price, budget));
    if (open && open->price != price) {
        tell(
            fmt::format("the channel with {} at {} per call is closing; when its delay is over: "
                        "decloud escrow finalize {}",
                name.full(), format_usdc(open->price), to_string(open->id)));
    }
    co_return done;
}

Outcome approve(const Context& context, const EscrowOptions& options) {
    TRY(const Amount price, parse_money(options.price));
    TRY(const Amount budget, parse_money(options.budget));
    if (budget < price) {
        return fail_with_help(ClientError::usage, "a budget below the price pays for no call",
            "--budget is the sum for all calls, --price is for one");
    }
    return act(context, options,
        [&options, price, budget](client::ChainSession& session, client::Wallet& wallet) {
            return approve_provider(session, wallet, options.target, price, budget);
        });
}

Outcome increase(const Context& context, const EscrowOptions& options) {
    TRY(const Amount amount, parse_money(options.amount));
    return act(context, options,
        [&options, amount](client::ChainSession& session,
            client::Wallet& wallet) -> async::Task<Result<chain::TransactionOutcome>> {
            CO_TRY(
                const Bytes32 id, co_await find_channel(session, wallet.address(), options.target));
            co_return co_await wallet.increase(id, amount);
        });
}

Outcome close(const Context& context, const EscrowOptions& options) {
    return act(context, options,
        [&options](client::ChainSession& session,
            client::Wallet& wallet) -> async::Task<Result<chain::TransactionOutcome>> {
            CO_TRY(
                const Bytes32 id, co_await find_channel(session, wallet.address(), options.target));
            tell(fmt::format(
                "when the close delay is over: decloud escrow finalize {}", to_string(id)));
            co_return co_await wallet.request_close(id);
        });
}

Outcome finalize(const Context& context, const EscrowOptions& options) {
    return act(context, options,
        [&options](client::ChainSession& session,
            client::Wallet& wallet) -> async::Task<Result<chain::TransactionOutcome>> {
            CO_TRY(const Bytes32 id,
                co_await find_closing_channel(session, wallet.address(), options.target));
            co_return co_await wallet.finalize_close(id);
        });
}

Outcome status(const Context& context, const EscrowOptions& options) {
    TRY(const Workspace workspace, open(context, options));
    TRY(const Address account, context.account_address(workspace));
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
                    CO_TRY(const auto report,
                        co_await internal::read_report(workspace, session, http, account));
                    context.print(internal::to_json(report), internal::to_text(report));
                    internal::tell_running_low(report);
                    co_return report.running_low() ? ExitCode::payment : ExitCode::ok;
                });
            });
    });
}

Outcome exposure(const Context& context, const EscrowOptions& options) {
    TRY(const Workspace workspace, open(context, options));
    TRY(const Address account, context.account_address(workspace));
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
                    internal::ExposureView view;
                    CO_TRY(view.paying,
                        co_await internal::read_report(workspace, session, http, account));
                    client::OperatorClient node(http, workspace.home.operator_socket().string());
                    if (auto selling = co_await node.exposure()) {
                        view.selling = std::move(*selling);
                    }
                    context.print(internal::to_json(view), internal::to_text(view));
                    co_return ExitCode::ok;
                });
            });
    });
}

}  // namespace

void add_escrow_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("escrow", "Money that is reserved for providers");
    verb->require_subcommand(1);
    const auto options = std::make_shared<EscrowOptions>();
    const auto add = [&](const char* name, const char* help, auto work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->add_option("--escrow", options->escrow, "Another escrow contract than the home's")
            ->type_name("ADDRESS");
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    const char* const usdc = "USDC, such as 5 or 0.001";
    const char* const who = "The provider's name, or the channel's id";
    add("deposit", "Move USDC into the escrow", deposit)
        ->add_option("amount", options->amount, usdc)
        ->required();
    CLI::App* out = add("withdraw", "Move free USDC out of the escrow", withdraw);
    out->add_option("amount", options->amount, usdc)->required();
    out->add_option("--to", options->to, "Where to; default: the account")->type_name("ADDRESS");
    CLI::App* budget = add("approve", "Reserve a budget for a provider", approve);
    budget->add_option("provider", options->target, "The provider's name")->required();
    budget->add_option("--price", options->price, "USDC per call")->required();
    budget->add_option("--budget", options->budget, "USDC in all")->required();
    CLI::App* more = add("increase", "Add to the budget of an open channel", increase);
    more->add_option("provider", options->target, who)->required();
    more->add_option("amount", options->amount, usdc)->required();
    add("close", "Ask to leave a provider; the rest is yours after the close delay", close)
        ->add_option("provider", options->target, who)
        ->required();
    add("finalize", "Take back the rest of a channel whose close delay is over", finalize)
        ->add_option("provider", options->target, who)
        ->required();
    (void)add("exposure", "What you could lose to whom, and what your own node has out", exposure);
    add_economics(*verb, context);
    (void)add("status", "Free money and channels; exit 5 if one runs low", status);
}

}  // namespace decloud::cli
