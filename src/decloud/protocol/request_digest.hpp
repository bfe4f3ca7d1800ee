#pragma once

#include <decloud/base/evm_types.hpp>
#include <decloud/crypto/hash.hpp>

#include <string>
#include <string_view>

namespace decloud::protocol {

/// `eip155:{chainId}:{provider address, lower case}`: whom a request is for.
[[nodiscard]] std::string audience(std::uint64_t chain_id, const Address& provider);

/// The five things that authorisations, idempotency and receipts are bound to (design §3).
struct DigestedRequest {
    std::string_view method;
    /// The request target byte for byte as it was sent.
    std::string_view target;
    crypto::Sha256Digest content_digest;
    std::string_view audience;
};

/// The RFC 9421 signature base with exactly design §3's lines.
[[nodiscard]] std::string request_signature_base(const DigestedRequest& request);

/// SHA-256 of that base.
[[nodiscard]] Bytes32 request_digest(const DigestedRequest& request);

/// The sha-256 member of a `Content-Digest` field (RFC 9530). Errors: not_found if there is none,
/// invalid_input if the field is malformed.
[[nodiscard]] Result<crypto::Sha256Digest> parse_content_digest(std::string_view field);
/// `sha-256=:…:`.
[[nodiscard]] std::string format_content_digest(const crypto::Sha256Digest& digest);

}  // namespace decloud::protocol
