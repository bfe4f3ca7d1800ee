#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/transaction_sender.hpp>

#include <chrono>
#include <cstdint>

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

struct DevelopmentContractsSettings {
    std::chrono::seconds close_delay{24 * 3600};
};

/// Puts test USDC, registry, registrar (which then owns the top name), resolver and escrow on a
/// development chain from `sender`'s account. Addresses depend on the account and on the build's
/// bytecode only; what is there already is used, so that a second call sends nothing. Errors: the
/// sender's.
[[nodiscard]] async::Task<Result<ContractAddresses>> deploy_development_contracts(
    EthereumClient& client, TransactionSender& sender, DevelopmentContractsSettings settings = {});

}  // namespace decloud::chain
