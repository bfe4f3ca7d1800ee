#include "chain_session.hpp"

#include "error.hpp"
#include "http.hpp"

#include <decloud/contracts/test_usdc.hpp>
#include <decloud/registry/ens.hpp>
#include <decloud/registry/error.hpp>

namespace decloud::client {

ChainSession::ChainSession(
    async::Executor executor, ChainSessionSettings settings, const Clock& clock)
    : executor_(executor),
      settings_(std::move(settings)),
      transport_(chain::make_http_transport(executor, environment_proxies())),
      rpc_(*transport_,
          settings_.chain.rpc_urls,
          {.depth = settings_.chain.finality_depth, .chain_id = settings_.chain.chain_id}),
      ethereum_(rpc_),
      escrow_(ethereum_, settings_.chain.contracts.escrow),
      registry_(ethereum_, settings_.chain.contracts.registry),
      head_(executor,
          ethereum_,
          clock,
          {.poll = settings_.poll,
              .depth = settings_.chain.finality_depth,
              .chain_id = settings_.chain.chain_id}),
      tasks_(executor) {}

ChainSession::~ChainSession() = default;

async::Task<Result<std::unique_ptr<ChainSession>>> ChainSession::connect(async::Executor executor,
    ChainSessionSettings settings,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Clock& clock) {
    if (settings.chain.rpc_urls.empty()) {
        co_return fail_with_help(ClientError::usage, "this home knows no chain",
            "decloud up starts a local one; or write [chain] into config.toml");
    }
    std::unique_ptr<ChainSession> session(
        new ChainSession(std::move(executor), std::move(settings), clock));
    const auto id = co_await session->ethereum_.chain_id();
    Result<void> checked;
    if (!id) {
        checked = fail(id.error().within("the chain at " + session->config().rpc_urls.front()));
    } else if (*id != session->config().chain_id) {
        checked = fail(ChainError::wrong_chain, session->config().rpc_urls.front() + " is chain " +
                                                    std::to_string(*id) + ", not " +
                                                    std::to_string(session->config().chain_id));
    }
    if (!checked) {
        co_await session->stop();
        co_return fail(std::move(checked.error()));
    }
    co_return session;
}

chain::HeadFollower& ChainSession::head() {
    if (!following_) {
        following_ = true;
        tasks_.spawn(head_.run());
    }
    return head_;
}

async::Task<Result<registry::Provider>> ChainSession::find_provider(identity::ProviderName name) {
    if (registry::is_ens_name(name) && !config().ens.rpc_urls.empty()) {
        co_return co_await registry::find_by_ens(executor_, config().ens, std::move(name));
    }
    auto found = co_await registry::find_now(registry_, name);
    if (!found && registry::is_ens_name(name) &&
        found.error() == make_error_code(registry::RegistryError::unknown_provider)) {
        co_return fail(registry::RegistryError::unknown_provider,
            name.full() +
                " is not known here: ENS is asked with rpc in [chain.ens] of config.toml");
    }
    co_return found;
}

async::Task<Result<Amount>> ChainSession::token_balance(Address account) {
    CO_TRY(const Bytes answer, co_await ethereum_.call(config().contracts.usdc,
                                   contracts::test_usdc::encode_balance_of(account)));
    CO_TRY(const Uint256 balance, contracts::test_usdc::decode_balance_of(answer));
    CO_TRY(const Uint128 units, balance.to_uint128());
    co_return Amount(units);
}

async::Task<void> ChainSession::stop() {
    tasks_.cancel();
    co_await tasks_.join();
    co_await transport_->stop();
}

}  // namespace decloud::client
