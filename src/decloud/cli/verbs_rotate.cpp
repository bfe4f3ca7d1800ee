#include "internal/provider_workspace.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/provider_setup.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/registry/ens.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

constexpr const char* kRestart =
    "a running node goes on with the old key until it is started again";

struct RotateOptions {
    std::string which;
    bool revoke = false;
};

Result<identity::ProviderName> own_name(const Workspace& workspace) {
    if (workspace.config.provider.name.empty()) {
        return fail_with_help(ClientError::usage, "this home sells nothing",
            "decloud provider register NAME makes its keys");
    }
    return identity::ProviderName::parse(workspace.config.provider.name);
}

/// The name's record that tells verifiers to refuse what older keys sign.
async::Task<Result<void>> publish_lowest_epoch(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::Wallet& wallet,
    const client::ChainConfig& chain,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    identity::ProviderName name,
    std::uint64_t epoch) {
    CO_TRY_VOID(co_await wallet.send("revoke older identity keys", chain.contracts.resolver,
        client::encode_lowest_epoch(name, epoch)));
    co_return Result<void>{};
}

Outcome rotate_identity(const Context& context, const RotateOptions& options) {
    TRY(const Workspace workspace, internal::open_as_provider(context));
    TRY(const auto name, own_name(workspace));
    TRY(identity::KeyStore keys, context.keys(workspace));
    // Before anything is changed: without the account nobody vouches for the new key.
    TRY(auto account, context.account_signer(workspace));
    TRY(const auto made,
        client::rotate_identity(workspace.home.delegation_file(), keys, account, name,
            signature_domain(workspace.config.chain), context.clock().unix_seconds()));
    const bool by_ens = registry::is_ens_name(name) && !workspace.config.chain.ens.rpc_urls.empty();
    if (options.revoke && by_ens) {
        tell(fmt::format("older keys end when you set the text record {} of {} to {}",
            contracts::resolver::kLowestEpochKey, name.full(), made.fields.epoch));
    } else if (options.revoke) {
        TRY_VOID(run([&](async::Executor executor) {
            return with_wallet(executor, workspace.config.chain, workspace.home.wallets(),
                std::move(account),
                [&](client::ChainSession&, client::Wallet& wallet) -> async::Task<Outcome> {
                    CO_TRY_VOID(co_await publish_lowest_epoch(
                        wallet, workspace.config.chain, name, made.fields.epoch));
                    co_return ExitCode::ok;
                });
        }));
    }
    const std::string key =
        identity::to_did_key(crypto::Ed25519PublicKey{made.fields.ed25519_key.bytes});
    context.print({{"key", key}, {"epoch", made.fields.epoch}, {"expires", made.fields.expires},
                      {"revoked", options.revoke && !by_ens}},
        fmt::format(
            "{}  epoch {}, until {}", key, made.fields.epoch, format_utc({made.fields.expires})));
    tell(kRestart);
    return ExitCode::ok;
}

Outcome rotate_rsa(const Context& context) {
    TRY(const Workspace workspace, internal::open_as_provider(context));
    TRY(const auto name, own_name(workspace));
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(auto account, context.account_signer(workspace));
    TRY_VOID(keys.rotate_rsa_key());
    TRY(const auto rsa, keys.rsa_keys());
    TRY(const auto settler, keys.settler());
    const auto published = run([&](async::Executor executor) {
        return with_wallet(executor, workspace.config.chain, workspace.home.wallets(),
            std::move(account),
            [&](client::ChainSession& session, client::Wallet& wallet) -> async::Task<Outcome> {
                client::ProviderRegistration registration{.name = name,
                    .url = workspace.config.provider.public_url,
                    .rsa_jwk = json::to_text(rsa.front().public_key().to_jwk()),
                    .settler = settler.address()};
                CO_TRY_VOID(co_await client::register_provider(
                    session, wallet, std::move(registration), system_clock()));
                co_return ExitCode::ok;
            });
    });
    if (!published) {
        tell("the new key is stored and not yet published: decloud provider register " +
             name.full());
        return fail(published.error());
    }
    const std::string thumbprint = rsa.front().public_key().key_id();
    context.print({{"key", thumbprint}, {"retired", rsa.size() - 1}},
        fmt::format("{}  {} retired, which keep opening what was encrypted to them", thumbprint,
            rsa.size() - 1));
    tell(kRestart);
    return ExitCode::ok;
}

Outcome rotate(const Context& context, const RotateOptions& options) {
    if (options.which == "identity") {
        return rotate_identity(context, options);
    }
    if (options.revoke) {
        return fail_with_help(ClientError::usage, "--revoke-old is for the identity key",
            "a retired RSA key still opens the specs that were encrypted to it");
    }
    return rotate_rsa(context);
}

}  // namespace

void add_rotate_key(CLI::App& provider, Context& context) {
    const auto options = std::make_shared<RotateOptions>();
    CLI::App* verb = provider.add_subcommand(
        "rotate-key", "A new identity key (signs receipts) or RSA key (specs are encrypted to it)");
    verb->add_option("which", options->which, "identity or rsa")
        ->required()
        ->check(CLI::IsMember({"identity", "rsa"}));
    verb->add_flag("--revoke-old", options->revoke,
        "identity: tell the chain that what older keys signed is not valid any more");
    verb->callback([&context, options] {
        context.action = [&context, options] { return rotate(context, *options); };
    });
}

}  // namespace decloud::cli
