#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/protocol/quote.hpp>
#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::pipeline {

/// The quote that a request names in `OpenCloud-Quote`; null if it names none. `key` is the one
/// that this node signs quotes with. Problems: 400 for one that this node has not made, 402 for one
/// that is over, or for another call or caller.
[[nodiscard]] protocol::Checked<std::shared_ptr<const protocol::Quote>> find_quote(
    const protocol::Call& call, const crypto::Ed25519PublicKey& key, UnixSeconds now);

/// `call` at the quote's price. Problem: 402 if it may count more than the quote is of.
[[nodiscard]] protocol::Checked<std::unique_ptr<protocol::PreparedCall>> make_quoted_call(
    std::unique_ptr<protocol::PreparedCall> call, const protocol::Quote& quote);

/// `OpenCloud-Delivered`: what a call has counted; empty if nothing is told.
[[nodiscard]] std::string format_delivered(const protocol::UnitThousandths& units);

}  // namespace decloud::pipeline
