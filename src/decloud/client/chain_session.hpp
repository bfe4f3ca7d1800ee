#pragma once

#include "config.hpp"

#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/escrow.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/chain/json_rpc.hpp>
#include <decloud/chain/registry.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/registry/provider.hpp>

#include <chrono>
#include <memory>

namespace decloud::client {

/// Which chain, and how often its head is asked for once `head` was called.
struct ChainSessionSettings {
    ChainConfig chain;
    std::chrono::steady_clock::duration poll = std::chrono::milliseconds(250);
};

/// A connection to the configured chain with views of its contracts. Single threaded; `stop` before
/// destruction.
class ChainSession {
  public:
    /// Checks that the chain answers and is the configured one. Errors: ChainError::unreachable,
    /// wrong_chain; ClientError::usage if no chain is configured. `clock` outlives it.
    [[nodiscard]] static async::Task<Result<std::unique_ptr<ChainSession>>> connect(
        async::Executor executor,
        ChainSessionSettings settings,
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
        const Clock& clock);
    ~ChainSession();
    ChainSession(const ChainSession&) = delete;
    ChainSession& operator=(const ChainSession&) = delete;

    /// As given, and the EIP-712 domain that follows from it.
    [[nodiscard]] const ChainConfig& config() const { return settings_.chain; }
    [[nodiscard]] identity::Domain domain() const { return signature_domain(settings_.chain); }
    /// The views of this session. Live as long as it does.
    [[nodiscard]] chain::EthereumClient& ethereum() { return ethereum_; }
    [[nodiscard]] chain::EscrowView& escrow() { return escrow_; }
    [[nodiscard]] chain::RegistryView& registry() { return registry_; }
    /// As given to `connect`.
    [[nodiscard]] async::Executor executor() const { return executor_; }
    /// The head, followed from the first call on.
    [[nodiscard]] chain::HeadFollower& head();

    /// Errors: RegistryError::unknown_provider, unusable_record; ChainError.
    [[nodiscard]] async::Task<Result<registry::Provider>> find_provider(
        identity::ProviderName name);
    /// The account's own USDC, outside the escrow. Errors: EthereumClient's, invalid_input.
    [[nodiscard]] async::Task<Result<Amount>> token_balance(Address account);

    /// Stops following the head and closes connections.
    [[nodiscard]] async::Task<void> stop();

  private:
    ChainSession(async::Executor executor, ChainSessionSettings settings, const Clock& clock);

    async::Executor executor_;
    ChainSessionSettings settings_;
    std::unique_ptr<chain::JsonRpcTransport> transport_;
    chain::JsonRpc rpc_;
    chain::EthereumClient ethereum_;
    chain::EscrowView escrow_;
    chain::RegistryView registry_;
    chain::HeadFollower head_;
    async::TaskGroup tasks_;
    bool following_ = false;
};

}  // namespace decloud::client
