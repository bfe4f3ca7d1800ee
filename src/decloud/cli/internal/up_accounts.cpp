#include "up_state.hpp"

#include <decloud/chain/development_token.hpp>
#include <decloud/client/error.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/test_usdc.hpp>

#include <fmt/format.h>

namespace decloud::cli::internal {

namespace {

constexpr Uint128 kEther = Uint128{1'000'000'000} * 1'000'000'000;
constexpr Amount kMinted{1'000'000'000};
constexpr Amount kDeposit{100'000'000};
constexpr auto kSetupPoll = std::chrono::milliseconds(100);

async::Task<Result<void>> tell_old_contracts(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainConfig old,
    async::Executor executor) {
    CO_TRY(const auto session,
        co_await client::ChainSession::connect(executor, {.chain = old}, system_clock()));
    const auto addresses = read_addresses(state);
    const auto free = addresses ? co_await session->escrow().free_balance(addresses->owner)
                                : Result<Amount>(fail(addresses.error()));
    const auto earned = addresses ? co_await session->escrow().earned(addresses->provider)
                                  : Result<Amount>(fail(addresses.error()));
    co_await session->stop();
    const std::string escrow = to_string(old.contracts.escrow);
    tell("decloud: the contracts on this chain were not this build's, new ones are used now");
    if (!free || !earned) {
        tell(fmt::format(
            "  the old escrow {} answers nothing, so nothing can be withdrawn from it", escrow));
        co_return Result<void>{};
    }
    tell(fmt::format("  in the old escrow {}: {} USDC free, {} USDC earned", escrow,
        format_usdc(*free), format_usdc(*earned)));
    tell(fmt::format(
        "  help: decloud escrow status --escrow {0}; decloud escrow withdraw {1} --escrow {0}; "
        "decloud provider payout --escrow {0}",
        escrow, format_usdc(*free)));
    co_return Result<void>{};
}

Result<void> ensure_keys(UpState& state) {
    TRY(identity::KeyStore keys, state.context.keys(state.workspace));
    const auto ensure = [&](const std::string& name, auto make) -> Result<void> {
        const auto known = keys.describe(name);
        if (!known && known.error() == make_error_code(CommonError::not_found)) {
            return make();
        }
        return known ? Result<void>{} : fail(known.error());
    };
    TRY_VOID(ensure(state.workspace.config.account, [&]() -> Result<void> {
        TRY(const auto key, identity::development_key(1));
        return keys.import_account(state.workspace.config.account, key);
    }));
    return ensure(state.workspace.config.provider.account, [&]() -> Result<void> {
        TRY_VOID(keys.create_account(state.workspace.config.provider.account));
        return {};
    });
}

/// Gas for who sends transactions, test USDC for the owner; from anvil's first account.
async::Task<Result<void>> ensure_funds(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainSession& session,
    std::vector<Address> senders,
    Address owner
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    std::vector<client::PlannedTransaction> steps;
    for (const Address& sender : senders) {
        CO_TRY(const Uint128 balance, co_await session.ethereum().balance(sender));
        if (balance < kEther) {
            steps.push_back({.what = "gas money", .to = sender, .data = {}, .value = 10 * kEther});
        }
    }
    CO_TRY(const Amount free, co_await session.escrow().free_balance(owner));
    CO_TRY(const Amount tokens, co_await session.token_balance(owner));
    if (free < kUpBudget && tokens < kDeposit) {
        steps.push_back({.what = "mint test USDC",
            .to = session.config().contracts.usdc,
            .data = contracts::test_usdc::encode_mint(owner, Uint256::from(kMinted.units()))});
    }
    if (steps.empty()) {
        co_return Result<void>{};
    }
    CO_TRY(auto key, identity::development_key(0));
    CO_TRY(const auto wallet,
        co_await client::Wallet::open(session, state.workspace.home.wallets(), std::move(key)));
    auto sent = co_await wallet->send_all(std::move(steps));
    co_await wallet->stop();
    co_return sent ? Result<void>{} : fail(sent.error());
}

/// Money in the escrow, and the budget for the provider where none with enough left is open.
async::Task<Result<void>> ensure_budget(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession& session,
    client::Wallet& wallet,
    Address provider
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const auto channel, co_await session.escrow().allowance(wallet.address(), provider));
    const bool enough =
        channel && channel->price == kUpPrice &&
        channel->reserved.saturating_minus(channel->claimed).units() >= 10 * kUpPrice.units();
    if (enough) {
        co_return Result<void>{};
    }
    CO_TRY(const Amount free, co_await session.escrow().free_balance(wallet.address()));
    if (free < kUpBudget) {
        CO_TRY_VOID(co_await wallet.deposit(kDeposit));
    }
    CO_TRY_VOID(co_await wallet.approve(provider, kUpPrice, kUpBudget));
    co_return Result<void>{};
}

async::Task<Result<void>> ensure_owner(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainSession& session,
    Address provider
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(auto key, state.context.account_signer(state.workspace));
    CO_TRY(const auto wallet,
        co_await client::Wallet::open(session, state.workspace.home.wallets(), std::move(key)));
    auto done = co_await ensure_budget(session, *wallet, provider);
    co_await wallet->stop();
    co_return done;
}

async::Task<Result<void>> ensure_provider(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainSession& session,
    Address settler,
    std::string rsa_jwk
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(identity::KeyStore keys, state.context.keys(state.workspace));
    const client::ProviderConfig& config = state.workspace.config.provider;
    CO_TRY(auto key, client::open_signer(keys, config.account));
    CO_TRY(const identity::ProviderName name, identity::ProviderName::parse(config.name));
    CO_TRY(const auto wallet,
        co_await client::Wallet::open(session, state.workspace.home.wallets(), std::move(key)));
    client::ProviderRegistration registration{
        .name = name, .url = config.public_url, .rsa_jwk = std::move(rsa_jwk), .settler = settler};
    const auto done = co_await client::register_provider(
        session, *wallet, std::move(registration), system_clock());
    co_await wallet->stop();
    if (!done) {
        co_return fail(done.error());
    }
    CO_TRY_VOID(client::ensure_delegation(state.workspace.home.delegation_file(), keys,
        config.account, name, session.domain(), system_clock().unix_seconds()));
    co_return Result<void>{};
}

async::Task<Result<chain::ContractAddresses>> put_up_contracts(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpOptions& options,
    client::ChainSession& session,
    client::Wallet& wallet
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    chain::DevelopmentContractsSettings settings;
    if (options.x402_defaults) {
        CO_TRY(const Address usdc, parse_address(kX402Usdc));
        CO_TRY_VOID(co_await chain::place_test_usdc(session.ethereum(), wallet.sender(), usdc));
        settings.known = chain::ContractAddresses{};
        settings.known->usdc = usdc;
    }
    co_return co_await chain::deploy_development_contracts(
        session.ethereum(), wallet.sender(), settings);
}

}  // namespace

std::string local_url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

Result<UpAddresses> read_addresses(const UpState& state) {
    TRY(const identity::KeyStore keys, state.context.keys(state.workspace));
    TRY(const auto owner, keys.describe(state.workspace.config.account));
    TRY(const auto provider, keys.describe(state.workspace.config.provider.account));
    return UpAddresses{.owner = owner.address, .provider = provider.address};
}

async::Task<Result<void>> ensure_contracts(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    async::Executor executor) {
    client::ChainConfig& config = state.workspace.config.chain;
    const client::ChainConfig old = config;
    CO_TRY(const auto session, co_await client::ChainSession::connect(executor,
                                   {.chain = config, .poll = kSetupPoll}, system_clock()));
    Result<bool> current = false;
    if (!old.contracts.escrow.is_zero()) {
        current = co_await chain::are_current(session->ethereum(), old.contracts);
    }
    Result<chain::ContractAddresses> deployed = old.contracts;
    Result<std::uint64_t> block = old.first_block;
    if (!current) {
        deployed = fail(current.error());
    } else if (!*current) {
        block = co_await session->ethereum().block_number();
        auto wallet = co_await client::Wallet::open(
            *session, state.workspace.home.wallets(), identity::development_key(0).value());
        if (wallet) {
            deployed = co_await put_up_contracts(state.options, *session, **wallet);
            co_await (*wallet)->stop();
        } else {
            deployed = fail(wallet.error());
        }
    }
    co_await session->stop();
    CO_TRY(config.contracts, std::move(deployed));
    CO_TRY(config.first_block, std::move(block));
    if (!old.contracts.escrow.is_zero() && old.contracts != config.contracts) {
        CO_TRY_VOID(co_await tell_old_contracts(state, old, executor));
    }
    co_return client::save_config(state.workspace.home, state.workspace.config);
}

async::Task<Result<void>> ensure_accounts(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    client::ChainSession& session
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY_VOID(ensure_keys(state));
    CO_TRY(const UpAddresses addresses, read_addresses(state));
    CO_TRY(identity::KeyStore keys, state.context.keys(state.workspace));
    CO_TRY(const auto settler, keys.settler());
    CO_TRY(const auto rsa, keys.rsa_keys());
    CO_TRY_VOID(co_await ensure_funds(
        state, session, {addresses.owner, addresses.provider, settler.address()}, addresses.owner));
    CO_TRY_VOID(co_await ensure_owner(state, session, addresses.provider));
    co_return co_await ensure_provider(
        state, session, settler.address(), json::to_text(rsa.front().public_key().to_jwk()));
}

async::Task<Result<UpMoney>> read_money(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainSession& session
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const UpAddresses addresses, read_addresses(state));
    UpMoney money;
    CO_TRY(money.free, co_await session.escrow().free_balance(addresses.owner));
    CO_TRY(money.earned, co_await session.escrow().earned(addresses.provider));
    CO_TRY(const auto channel,
        co_await session.escrow().allowance(addresses.owner, addresses.provider));
    if (channel) {
        money.reserved = channel->reserved;
        money.claimed = channel->claimed;
        money.calls = channel->calls;
    }
    co_return money;
}

}  // namespace decloud::cli::internal
