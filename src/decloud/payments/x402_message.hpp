#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/protocol/payment_header.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::payments {

/// EIP-3009's `TransferWithAuthorization` with its signature. Times in seconds of Unix time.
struct X402Authorization {
    Address from;
    Address to;
    Amount value;
    std::uint64_t valid_after = 0;
    std::uint64_t valid_before = 0;
    Bytes32 nonce;
    crypto::EcdsaSignature signature;
    friend bool operator==(const X402Authorization&, const X402Authorization&) = default;
};

/// What an x402 client sends to pay by scheme `exact`: v1 in `X-PAYMENT`, v2 in
/// `PAYMENT-SIGNATURE`.
struct X402Payment {
    /// 1 or 2.
    int version = 0;
    /// "base-sepolia" (v1) or "eip155:84532" (v2).
    std::string network;
    X402Authorization authorization;
    /// What the client says it accepted; v2 only, where it is required.
    struct Accepted {
        Address asset;
        Address pay_to;
        Amount amount;
    };
    std::optional<Accepted> accepted;
    /// Of the extension `payment-identifier`: 16 to 128 letters, digits, "_" and "-".
    std::string identifier;
};

/// Longest payment header that is read, in bytes of base64.
inline constexpr std::size_t kMaxX402Header = 16'384;

/// The payment that a request brings in x402's headers, as `attached` by the method "x402" with the
/// header's JSON as its payload. None if there is none. Error: invalid_input for more than one,
/// one that is too long, or what is not base64 with padding.
[[nodiscard]] Result<std::optional<protocol::PaymentHeader>> read_x402_headers(
    const net::http::Headers& headers);

/// From the header's JSON. Strict in what it reads; members that it does not know are ignored, as
/// x402 has them grow. Error: invalid_input, naming the member.
[[nodiscard]] Result<X402Payment> parse_x402_payment(BytesView text);

/// The name that x402 v1 has for a chain, "base-sepolia" for 84532; empty if it has none.
[[nodiscard]] std::string_view x402_network_name(std::uint64_t chain_id);
/// The chain that x402 v1 calls so. Error: not_found.
[[nodiscard]] Result<std::uint64_t> x402_chain_id(std::string_view network_name);
/// "eip155:84532".
[[nodiscard]] std::string x402_network_id(std::uint64_t chain_id);

/// EIP-712's separator of a token's domain `{name, version, chainId, verifyingContract}`.
[[nodiscard]] Bytes32 token_domain(
    std::string_view name, std::string_view version, std::uint64_t chain_id, const Address& token);
/// EIP-712's encoded type of what the payer signs.
inline constexpr std::string_view kAuthorizationType =
    "TransferWithAuthorization(address from,address to,uint256 value,"
    "uint256 validAfter,uint256 validBefore,bytes32 nonce)";

/// What the payer signs.
[[nodiscard]] Bytes32 authorization_digest(
    const X402Authorization& authorization, const Bytes32& domain);

}  // namespace decloud::payments
