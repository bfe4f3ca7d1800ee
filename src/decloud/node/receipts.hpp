#pragma once

#include <decloud/async/task.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/payments/ledger.hpp>

#include <optional>
#include <string>

namespace decloud::node {

/// What signs receipts and answers: the node's identity key, and the account's word on it.
struct NodeIdentity {
    crypto::Ed25519PrivateKey key;
    std::optional<identity::Signed<identity::Delegation>> delegation;
    std::string audience;
    /// The provider's full name, and the contract in whose domain the delegation was signed: with
    /// them a receipt can be verified without asking anybody.
    std::string provider_name;
    Address escrow;
};

/// The receipt as RFC 8785 JSON with `signature`: Ed25519 over the same object without that member.
[[nodiscard]] Result<std::string> receipt_json(
    const payments::Receipt& receipt, const NodeIdentity& node_identity);

/// Answers `/receipts/{id}`. The ledger and the identity outlive it.
[[nodiscard]] async::Task<void> answer_receipt(net::http::Exchange exchange,
    std::string id,
    payments::Ledger& ledger,
    const NodeIdentity& node_identity);

}  // namespace decloud::node
