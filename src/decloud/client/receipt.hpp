#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::client {

/// Largest file that is read as a receipt.
inline constexpr std::size_t kMaxReceipt = 64UL * 1024;

/// What a receipt says, each word of it signed by a key that the provider's account vouched for.
struct VerifiedReceipt {
    std::string id;
    /// The provider's name and account, on which chain and escrow.
    std::string provider;
    Address account;
    std::uint64_t chain_id = 0;
    Address escrow;
    /// The key that signed, as did:key, and the epoch of its delegation: a verifier with access to
    /// the chain refuses epochs below the name's `org.decloud.lowest-epoch`.
    std::string signer;
    std::uint64_t epoch = 0;
    std::string payer;
    std::string asset;
    Amount amount;
    std::uint64_t calls = 0;
    UnixSeconds time;
    std::string subject;
    Bytes32 request_digest;
    Bytes32 response_digest;
};

/// The request that a receipt is to be of.
struct ReceiptRequest {
    std::string method;
    /// Byte for byte as it was sent, from the first slash on.
    std::string target;
    Bytes body;
};

/// What is compared where it is known.
struct ReceiptExpectation {
    std::optional<ReceiptRequest> request;
    /// The answer's body.
    std::optional<Bytes> response;
    std::optional<Address> provider;
    std::uint64_t lowest_epoch = 0;
};

/// Without any network: the Ed25519 signature over the RFC 8785 bytes, the account's delegation of
/// that key (EIP-712, at most 90 days, begun by `now` and not over when the call was made), that
/// name and account fit, and what is expected. A receipt may be signed by a key that was delegated
/// after its call: the account vouches for it then. Errors: invalid_input for what is no receipt;
/// IdentityError::bad_signature, wrong_delegation, revoked, not_yet_valid, expired;
/// CommonError::conflict for another request, answer or provider.
[[nodiscard]] Result<VerifiedReceipt> verify_receipt(
    std::string_view text, const ReceiptExpectation& expected, UnixSeconds now);

}  // namespace decloud::client
