#pragma once

#include "chain_session.hpp"
#include "spending.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace decloud::client {

/// One event on the chain that moved an account's money.
struct ChainMovement {
    std::uint64_t block = 0;
    std::uint64_t index = 0;
    Bytes32 transaction;
    /// "received", "sent", "deposit", "withdraw", "open", "increase", "claim", "close".
    std::string what;
    Amount amount;
    /// Of the channel, or zero.
    Bytes32 channel;
    /// Who is at the other end, or zero.
    Address other;
};

/// All that an account paid and moved. `token` and `free` are sums of `movements`.
struct AccountHistory {
    std::vector<ChainMovement> movements;
    std::vector<PaymentRecord> payments;
    /// USDC of its own, and free in the escrow.
    Amount token;
    Amount free;
    /// What the contracts say at the same block.
    Amount token_on_chain;
    Amount free_on_chain;
    std::uint64_t block = 0;
    /// Numbers of payments that their servers call taken and the chain does not know.
    std::vector<std::int64_t> unconfirmed;

    /// True if the sums are the chain's to the unit.
    [[nodiscard]] bool exact() const { return token == token_on_chain && free == free_on_chain; }
};

/// Reads the chain up to the newest final block. Payments by x402 on this chain whose end is known
/// by then are settled in `book`: taken if their nonce was used, given back if it was not and can
/// no longer be. Errors: the chain's, the book's.
[[nodiscard]] async::Task<Result<AccountHistory>> read_history(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    SpendingBook& book,
    Address account
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

}  // namespace decloud::client
