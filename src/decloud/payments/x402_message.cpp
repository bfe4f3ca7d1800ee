#include "x402_message.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/identity/eip712.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::payments {

namespace {

constexpr json::Limits kLimits{.max_bytes = kMaxX402Header, .max_depth = 12};
constexpr std::size_t kMinIdentifier = 16;
constexpr std::size_t kMaxIdentifier = 128;
constexpr std::size_t kMaxNetwork = 64;

/// The chains that x402 v1 has names for.
constexpr std::array<std::pair<std::uint64_t, std::string_view>, 15> kNetworks{{
    {84532, "base-sepolia"},
    {8453, "base"},
    {43113, "avalanche-fuji"},
    {43114, "avalanche"},
    {137, "polygon"},
    {80002, "polygon-amoy"},
    {1328, "sei-testnet"},
    {1329, "sei"},
    {4689, "iotex"},
    {3338, "peaq"},
    {2741, "abstract"},
    {11124, "abstract-testnet"},
    {1514, "story"},
    {41923, "educhain"},
    {324705682, "skale-base-sepolia"},
}};

std::unexpected<Error> wrong(std::string_view member, const Error& why) {
    return fail(CommonError::invalid_input, std::string(member) + ": " + why.detail());
}

template <class Value>
Result<Value> parsed_member(const json::Object& object,
    std::string_view name,
    Result<Value> (*parse)(std::string_view text)) {
    TRY(const std::string text, json::string_member(object, name));
    auto value = parse(text);
    if (!value) {
        return wrong(name, value.error());
    }
    return value;
}

Result<std::uint64_t> parse_time(std::string_view text) {
    TRY(const Uint128 value, parse_uint128(text));
    // What lies beyond is as good as never.
    return static_cast<std::uint64_t>(std::min<Uint128>(value, UINT64_MAX));
}

Result<crypto::EcdsaSignature> parse_signature(std::string_view text) {
    if (!text.starts_with("0x")) {
        return fail(CommonError::invalid_input, "a signature starts with 0x");
    }
    TRY(const Bytes bytes, from_hex(text));
    return crypto::EcdsaSignature::from(bytes);
}

Result<X402Authorization> parse_authorization(const json::Object& payload) {
    X402Authorization out;
    TRY(out.signature, parsed_member(payload, "signature", parse_signature));
    TRY(const json::Object fields, json::object_member(payload, "authorization"));
    TRY(out.from, parsed_member(fields, "from", parse_address));
    TRY(out.to, parsed_member(fields, "to", parse_address));
    TRY(out.value, parsed_member(fields, "value", parse_amount));
    TRY(out.valid_after, parsed_member(fields, "validAfter", parse_time));
    TRY(out.valid_before, parsed_member(fields, "validBefore", parse_time));
    TRY(out.nonce, parsed_member(fields, "nonce", parse_bytes32));
    return out;
}

Result<std::string> parse_identifier(const json::Object& message) {
    const json::Value* extensions = message.if_contains("extensions");
    if (extensions == nullptr || !extensions->is_object()) {
        return std::string();
    }
    const json::Value* extension = extensions->get_object().if_contains("payment-identifier");
    if (extension == nullptr) {
        return std::string();
    }
    if (!extension->is_object()) {
        return fail(CommonError::invalid_input, "payment-identifier is an object");
    }
    TRY(const json::Object info, json::object_member(extension->get_object(), "info"));
    if (!info.contains("id")) {
        return std::string();
    }
    TRY(std::string id, json::string_member(info, "id"));
    const bool fits = id.size() >= kMinIdentifier && id.size() <= kMaxIdentifier &&
                      std::ranges::all_of(id, [](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                 (c >= '0' && c <= '9') || c == '_' || c == '-';
                      });
    if (!fits) {
        return fail(CommonError::invalid_input,
            "payment-identifier: 16 to 128 letters, digits, \"_\" and \"-\"");
    }
    return id;
}

/// Scheme and network, which v1 has at the top and v2 in `accepted`.
Result<void> parse_kind(const json::Object& object, X402Payment& payment) {
    TRY(const std::string scheme, json::string_member(object, "scheme"));
    if (scheme != "exact") {
        return fail(CommonError::invalid_input, "scheme: only \"exact\" is taken here");
    }
    TRY(payment.network, json::string_member(object, "network"));
    if (payment.network.size() > kMaxNetwork) {
        return fail(CommonError::invalid_input, "network: too long");
    }
    return {};
}

Result<void> parse_accepted(const json::Object& message, X402Payment& payment) {
    TRY(const json::Object object, json::object_member(message, "accepted"));
    TRY_VOID(parse_kind(object, payment));
    X402Payment::Accepted accepted;
    TRY(accepted.asset, parsed_member(object, "asset", parse_address));
    TRY(accepted.pay_to, parsed_member(object, "payTo", parse_address));
    TRY(accepted.amount, parsed_member(object, "amount", parse_amount));
    payment.accepted = accepted;
    return {};
}

}  // namespace

Result<std::optional<protocol::PaymentHeader>> read_x402_headers(
    const net::http::Headers& headers) {
    const std::size_t count = headers.count("PAYMENT-SIGNATURE") + headers.count("X-PAYMENT");
    if (count == 0) {
        return std::nullopt;
    }
    if (count > 1 || headers.contains("OpenCloud-Payment")) {
        return fail(CommonError::invalid_input, "more than one payment");
    }
    const bool v2 = headers.contains("PAYMENT-SIGNATURE");
    const std::string_view name = v2 ? "PAYMENT-SIGNATURE" : "X-PAYMENT";
    const std::string_view field = headers.find(name).value_or("");
    if (field.size() > kMaxX402Header) {
        return fail(CommonError::invalid_input, std::string(name) + " is too long");
    }
    protocol::PaymentHeader payment;
    payment.type = protocol::PaymentHeader::Type::attached;
    payment.method = "x402";
    auto payload = from_base64(field);
    if (!payload) {
        return fail(
            CommonError::invalid_input, std::string(name) + " is not base64 with its padding");
    }
    payment.payload = std::move(*payload);
    return payment;
}

Result<X402Payment> parse_x402_payment(BytesView text) {
    TRY(const json::Value value, json::parse(as_text(text), kLimits));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a payment is an object");
    }
    const json::Object& message = value.get_object();
    TRY(const std::uint64_t version, json::uint_member(message, "x402Version"));
    if (version != 1 && version != 2) {
        return fail(CommonError::invalid_input, "x402Version: 1 or 2");
    }
    X402Payment payment;
    payment.version = static_cast<int>(version);
    TRY_VOID(version == 2 ? parse_accepted(message, payment) : parse_kind(message, payment));
    TRY(const json::Object payload, json::object_member(message, "payload"));
    TRY(payment.authorization, parse_authorization(payload));
    if (version == 2) {
        TRY(payment.identifier, parse_identifier(message));
    }
    return payment;
}

std::string_view x402_network_name(std::uint64_t chain_id) {
    const auto* found =
        std::ranges::find(kNetworks, chain_id, &std::pair<std::uint64_t, std::string_view>::first);
    return found == kNetworks.end() ? std::string_view() : found->second;
}

Result<std::uint64_t> x402_chain_id(std::string_view network_name) {
    const auto* found = std::ranges::find(
        kNetworks, network_name, &std::pair<std::uint64_t, std::string_view>::second);
    if (found == kNetworks.end()) {
        return fail(CommonError::not_found, "x402 has no such network");
    }
    return found->first;
}

std::string x402_network_id(std::uint64_t chain_id) { return "eip155:" + std::to_string(chain_id); }

Bytes32 token_domain(
    std::string_view name, std::string_view version, std::uint64_t chain_id, const Address& token) {
    return identity::StructHasher(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        .add_dynamic(as_bytes(name))
        .add_dynamic(as_bytes(version))
        .add(Uint128{chain_id})
        .add(token)
        .finish();
}

Bytes32 authorization_digest(const X402Authorization& authorization, const Bytes32& domain) {
    const Bytes32 fields = identity::StructHasher(kAuthorizationType)
                               .add(authorization.from)
                               .add(authorization.to)
                               .add(authorization.value.units())
                               .add(Uint128{authorization.valid_after})
                               .add(Uint128{authorization.valid_before})
                               .add(authorization.nonce)
                               .finish();
    return identity::typed_data_digest(domain, fields);
}

}  // namespace decloud::payments
