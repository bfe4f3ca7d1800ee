#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// Longest `PAYMENT-REQUIRED` header and longest body of a 402 that are read, in bytes.
inline constexpr std::size_t kMaxChallengeHeader = 48 * 1024;
inline constexpr std::size_t kMaxChallengeBody = 256 * 1024;

/// An ERC-20 token on one chain.
struct TokenId {
    std::uint64_t chain_id = 0;
    Address address;
    /// CAIP-19: "eip155:84532/erc20:0x…".
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const TokenId&, const TokenId&) = default;
};
/// From that form. Error: invalid_input.
[[nodiscard]] Result<TokenId> parse_token_id(std::string_view text);

/// A row of `accepts` that is x402's scheme `exact` by EIP-3009 on an EVM chain.
struct X402Terms {
    /// As the row names it: "base-sepolia" or "eip155:84532".
    std::string network;
    TokenId token;
    Address pay_to;
    Amount amount;
    std::chrono::seconds max_timeout{0};
    /// Of the token's EIP-712 domain.
    std::string token_name;
    std::string token_version;
    /// Byte for byte what v2 wants back.
    json::Object row;
};

/// What a 402 asks for.
struct X402Challenge {
    /// 1 or 2.
    int version = 0;
    /// What the server says is wrong; may be empty.
    std::string error;
    std::vector<X402Terms> terms;
    /// Rows of other schemes, networks or kinds, which were skipped.
    std::size_t skipped = 0;
    /// v2's, to be sent back; none in v1.
    std::optional<json::Object> resource;
    /// The server offers `payment-identifier`.
    bool takes_identifier = false;
};

/// From a 402's `PAYMENT-REQUIRED` header (v2: base64 of JSON). Rows that are not understood are
/// skipped. Error: invalid_input.
[[nodiscard]] Result<X402Challenge> parse_x402_header(std::string_view header);
/// From its body (v1). Errors: the same.
[[nodiscard]] Result<X402Challenge> parse_x402_body(BytesView body);
/// What a 402 asks for, v2 before v1. Error: invalid_input saying that it is not x402's.
[[nodiscard]] Result<X402Challenge> read_x402_challenge(
    std::optional<std::string_view> header, BytesView body);

/// The cheapest row in one of `tokens`. Error: ClientError::payment saying what was asked instead.
[[nodiscard]] Result<X402Terms> choose_terms(
    const X402Challenge& challenge, const std::vector<TokenId>& tokens);

/// What a server says of a payment: `PAYMENT-RESPONSE` or `X-PAYMENT-RESPONSE`.
struct X402Settlement {
    bool success = false;
    std::optional<Bytes32> transaction;
    std::string error;
};
/// Error: invalid_input.
[[nodiscard]] Result<X402Settlement> parse_x402_settlement(std::string_view header);

}  // namespace decloud::client
