#pragma once

#include "ethereum.hpp"
#include "transaction_sender.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <optional>

namespace decloud::chain {

/// decloud's contracts on one chain.
struct ContractAddresses {
    Address usdc{};
    Address registry{};
    Address registrar{};
    Address resolver{};
    Address escrow{};
    friend bool operator==(const ContractAddresses&, const ContractAddresses&) = default;
};

/// What `deploy_development_contracts` gives the contracts, and what it may use again.
struct DevelopmentContractsSettings {
    std::chrono::seconds close_delay{24 * 3600};
    /// Between commit and reveal of a name.
    std::chrono::seconds min_commitment_age{1};
    /// Where they were the last time; what is not this build's there is put up anew.
    std::optional<ContractAddresses> known{};
};

/// Puts test USDC, registry, registrar (which then owns the top name), resolver and escrow on a
/// development chain from `sender`'s account, which owns the USDC and the root. What is there
/// already in this build, at the known addresses or among the account's first 64 contracts, is
/// used; a second call sends nothing. On a fresh chain the addresses depend on the account only.
/// Errors: the sender's.
[[nodiscard]] async::Task<Result<ContractAddresses>> deploy_development_contracts(
    EthereumClient& client, TransactionSender& sender, DevelopmentContractsSettings settings = {});

/// Whether all of them are this build's code and wired to each other; for "the contracts differ
/// from the build". Errors: EthereumClient's.
[[nodiscard]] async::Task<Result<bool>> are_current(
    EthereumClient& client, ContractAddresses contracts);

}  // namespace decloud::chain
