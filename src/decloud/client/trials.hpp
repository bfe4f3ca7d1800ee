#pragma once

#include "chain_session.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/escrow.hpp>

#include <vector>

namespace decloud::client {

/// Free calls that a provider granted somebody on the chain.
struct TrialReport {
    Address user;
    chain::TrialState trial;
};

/// Every trial that `provider` ever granted, in the order of the first grants. Errors: the chain's.
[[nodiscard]] async::Task<Result<std::vector<TrialReport>>> read_trials(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Address provider);

}  // namespace decloud::client
