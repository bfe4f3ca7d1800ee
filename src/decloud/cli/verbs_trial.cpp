#include "internal/provider_workspace.hpp"
#include "internal/when.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/trials.hpp>
#include <decloud/payments/automatic_trials.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

namespace decloud::cli {

namespace {

struct TrialOptions {
    std::string user;
    std::uint64_t calls = 0;
    std::string expires = "30d";
};

/// An address, or an account of this home by its name.
Result<Address> parse_user(
    const Context& context, const Workspace& workspace, const std::string& text) {
    if (const auto address = parse_address(text)) {
        return *address;
    }
    TRY(const identity::KeyStore keys, context.keys(workspace));
    const auto account = keys.describe(text);
    if (!account) {
        return fail_with_help(ClientError::usage,
            "\"" + text + "\" is neither an address nor an account of this home",
            "decloud account show prints the address of whom is to have the calls");
    }
    return account->address;
}

json::Object to_json(const Address& user, const chain::TrialState& trial, UnixSeconds now) {
    const std::uint64_t left = trial.granted - std::min(trial.granted, trial.used);
    return {{"user", to_string(user)}, {"granted", trial.granted}, {"used", trial.used},
        {"left", left}, {"expires", trial.expires.value},
        {"usable", left > 0 && now < trial.expires}};
}

std::string to_text(const Address& user, const chain::TrialState& trial, UnixSeconds now) {
    const std::string end = trial.expires.value == 0 ? "revoked"
                            : now < trial.expires    ? "until " + format_utc(trial.expires)
                                                     : "expired " + format_utc(trial.expires);
    return fmt::format(
        "{}  {} of {} calls used, {}\n", to_string(user), trial.used, trial.granted, end);
}

/// What both `grant` and `revoke` do on the chain.
Outcome change(
    const Context& context, const TrialOptions& options, std::uint64_t calls, UnixSeconds expires) {
    TRY(const Workspace workspace, internal::open_as_provider(context));
    TRY(const Address user, parse_user(context, workspace, options.user));
    TRY(auto key, context.account_signer(workspace));
    return run([&](async::Executor executor) {
        return with_wallet(executor, workspace.config.chain, workspace.home.wallets(),
            std::move(key),
            [&, user](
                client::ChainSession& session, client::Wallet& wallet) -> async::Task<Outcome> {
                CO_TRY(const auto before, co_await session.escrow().trial(wallet.address(), user));
                if (calls == 0 && before.granted == 0) {
                    co_return fail_with_help(ClientError::not_found,
                        to_string(user) + " has no trial of " + to_string(wallet.address()),
                        "decloud provider trial list shows who has one");
                }
                CO_TRY(const auto done, co_await wallet.grant_trial(user, calls, expires));
                CO_TRY(const auto after, co_await session.escrow().trial(wallet.address(), user));
                const UnixSeconds now = context.clock().unix_seconds();
                json::Object object = to_json(user, after, now);
                object["transaction"] = to_string(done.hash);
                object["block"] = done.block_number;
                context.print(object, to_text(user, after, now));
                co_return ExitCode::ok;
            });
    });
}

Outcome grant(const Context& context, const TrialOptions& options) {
    const UnixSeconds now = context.clock().unix_seconds();
    TRY(const UnixSeconds expires, internal::parse_when(options.expires, now));
    if (options.calls == 0 || expires <= now) {
        return fail_with_help(ClientError::usage,
            options.calls == 0 ? "--calls 0 gives nothing" : "--expires is over already",
            "decloud provider trial revoke USER ends a trial");
    }
    return change(context, options, options.calls, expires);
}

Outcome revoke(const Context& context, const TrialOptions& options) {
    TRY(const ExitCode code, change(context, options, 0, UnixSeconds{0}));
    tell("calls that are running end as free ones; what was left comes back with another grant");
    return code;
}

/// What the home's own node counts, by account in its ledger; empty if none runs.
struct NodeTrials {
    std::map<std::string, std::uint64_t> used;
    std::optional<json::Object> automatic;
};

async::Task<NodeTrials> ask_node(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::string socket) {
    NodeTrials out;
    client::OperatorClient node(http, std::move(socket));
    const auto status = co_await node.status();
    const auto rows = status ? json::array_member(*status, "channels") : Result<json::Array>{};
    if (!status || !rows) {
        co_return out;
    }
    for (const json::Value& row : *rows) {
        const auto account = row.is_object() ? json::string_member(row.get_object(), "account")
                                             : Result<std::string>{};
        const auto calls = row.is_object() ? json::uint_member(row.get_object(), "calls")
                                           : Result<std::uint64_t>{};
        if (account && calls) {
            out.used[*account] = *calls;
        }
    }
    if (const auto automatic = json::object_member(*status, "trials")) {
        out.automatic = *automatic;
    }
    co_return out;
}

void print_list(const Context& context,
    const Address& provider,
    std::vector<client::TrialReport> trials,
    const NodeTrials& node) {
    const UnixSeconds now = context.clock().unix_seconds();
    json::Array rows;
    std::string text;
    for (client::TrialReport& row : trials) {
        const auto used = node.used.find(payments::trial_account(provider, row.user).text);
        if (used != node.used.end()) {
            row.trial.used = std::max(row.trial.used, used->second);
        }
        rows.emplace_back(to_json(row.user, row.trial, now));
        text += to_text(row.user, row.trial, now);
    }
    json::Array given;
    for (const auto& [account, calls] : node.used) {
        if (const auto user = payments::parse_gift_account({account})) {
            given.emplace_back(json::Object{{"user", to_string(*user)}, {"used", calls}});
            text += fmt::format(
                "{}  {} calls used that the node gave by itself\n", to_string(*user), calls);
        }
    }
    json::Object object{{"provider", to_string(provider)}, {"trials", std::move(rows)},
        {"given", std::move(given)}};
    if (node.automatic) {
        object["automatic"] = *node.automatic;
    }
    context.print(object, text);
}

Outcome list(const Context& context, const TrialOptions&) {
    TRY(const Workspace workspace, internal::open_as_provider(context));
    TRY(const Address provider, context.account_address(workspace));
    return run([&](async::Executor executor) {
        return with_chain(executor, workspace.config.chain,
            [&, executor, provider](client::ChainSession& session) {
                return with_http(
                    executor, [&, provider](net::http::Client& http) -> async::Task<Outcome> {
                        CO_TRY(auto trials, co_await client::read_trials(session, provider));
                        const NodeTrials node =
                            co_await ask_node(http, workspace.home.operator_socket().string());
                        print_list(context, provider, std::move(trials), node);
                        co_return ExitCode::ok;
                    });
            });
    });
}

}  // namespace

void add_trial_verbs(CLI::App& provider, Context& context) {
    CLI::App* verb = provider.add_subcommand("trial", "Calls that you give away");
    verb->require_subcommand(1);
    const auto options = std::make_shared<TrialOptions>();
    const auto add = [&](const char* name, const char* help, auto work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    const char* const who = "An address, or an account of this home";
    CLI::App* given = add("grant", "Give a user free calls", grant);
    given->add_option("user", options->user, who)->required();
    given->add_option("--calls", options->calls, "How many more")->required()->type_name("N");
    given
        ->add_option("--expires", options->expires,
            "30d, 12h, 2026-12-31, …; of all its calls. Default: 30d")
        ->type_name("TIME");
    (void)add("list", "Who has how many, and what was used", list);
    add("revoke", "End a user's trial", revoke)->add_option("user", options->user, who)->required();
}

}  // namespace decloud::cli
