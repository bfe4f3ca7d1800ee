#pragma once

#include "x402_message.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <string>

namespace decloud::payments {

/// How far a payment has come. Only `settled` moved money; `failed` is final, too.
enum class X402State : std::uint8_t { accepted, sent, settled, failed };

/// What is kept of an x402 payment, so that a repeat finds its outcome, also after a restart.
struct X402Record {
    X402State state = X402State::accepted;
    X402Authorization authorization;
    Bytes32 request_digest;
    /// Of the extension `payment-identifier`; may be empty.
    std::string identifier{};
    /// What was called, for a receipt that is made later.
    std::string service{};
    std::string subject{};
    /// The newest block when it was accepted; its transfer is in a later one.
    std::uint64_t since_block = 0;
    /// The transfer's, from `sent` on.
    Bytes32 transaction{};
    /// Hex id, once it was charged in the ledger.
    std::string receipt{};
    /// Settled after the node that ran the call had stopped: the same request may be served once.
    bool unanswered = false;
    friend bool operator==(const X402Record&, const X402Record&) = default;
};

/// Names a payment in the ledger and in the records: "x402:0xtoken:0xpayer:0xnonce".
[[nodiscard]] std::string x402_key(const Address& token, const X402Authorization& authorization);

/// JSON; `parse_x402_record` reads it back. Error: corrupt.
[[nodiscard]] Bytes format_x402_record(const X402Record& record);
[[nodiscard]] Result<X402Record> parse_x402_record(BytesView text);

}  // namespace decloud::payments
