#pragma once

namespace decloud::payments {

/// When an answer that is paid for by x402 leaves.
enum class X402Mode {
    /// When the transfer is in a block.
    settled,
    /// When the transfer was sent, while what a payer has unsettled stays within a bound.
    sent,
};

}  // namespace decloud::payments
