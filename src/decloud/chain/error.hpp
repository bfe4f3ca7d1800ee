#pragma once

#include <system_error>

namespace decloud {

/// What asking the chain, or sending to it, can fail with.
enum class ChainError {
    /// No endpoint answered, or the connection broke.
    unreachable = 1,
    timeout,
    /// No endpoint is left that agrees with the majority, or the head is too old.
    not_ready,
    /// Endpoints contradict each other, or one contradicts itself.
    inconsistent,
    /// The endpoint is on another chain than configured.
    wrong_chain,
    /// The contract refused; the detail holds the decoded reason.
    reverted,
    nonce_too_low,
    /// The price is too low, also for replacing a pending transaction.
    underpriced,
    insufficient_funds,
    /// The endpoint has this very transaction in its pool.
    already_known,
    /// Another transaction of the same account took the nonce.
    replaced,
    not_found,
    /// An answer that is no JSON-RPC or has the wrong shape.
    invalid_response,
    /// Any other error object; the detail holds code and message.
    rpc,
    /// The development chain's process could not be started or ended early.
    process,
};

/// The code in the category "decloud.chain".
std::error_code make_error_code(ChainError code);

}  // namespace decloud

/// Lets a ChainError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::ChainError> : std::true_type {};
