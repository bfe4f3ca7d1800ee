#include "receipt.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/identity/delegation.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <algorithm>
#include <charconv>

namespace decloud::client {

namespace {

using identity::Delegation;

Result<Bytes32> bytes32_member(const json::Object& object, std::string_view name) {
    TRY(const std::string text, json::string_member(object, name));
    return parse_bytes32(text);
}

/// "eip155:{chainId}:{address}".
Result<void> read_audience(const std::string& text, VerifiedReceipt& out) {
    static constexpr std::string_view kPrefix = "eip155:";
    const std::size_t colon = text.rfind(':');
    if (!text.starts_with(kPrefix) || colon <= kPrefix.size()) {
        return fail(CommonError::invalid_input, "audience: not eip155:{chain}:{address}");
    }
    const std::string_view digits =
        std::string_view(text).substr(kPrefix.size(), colon - kPrefix.size());
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), out.chain_id);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return fail(CommonError::invalid_input, "audience: the chain is a number");
    }
    TRY(out.account, parse_address(text.substr(colon + 1)));
    return {};
}

Result<VerifiedReceipt> read_fields(const json::Object& body) {
    VerifiedReceipt out;
    TRY(out.id, json::string_member(body, "id"));
    TRY(const std::string audience, json::string_member(body, "audience"));
    TRY_VOID(read_audience(audience, out));
    TRY(out.provider, json::string_member(body, "provider"));
    TRY(const std::string escrow, json::string_member(body, "escrow"));
    TRY(out.escrow, parse_address(escrow));
    TRY(out.signer, json::string_member(body, "signer"));
    TRY(out.payer, json::string_member(body, "payer"));
    TRY(out.asset, json::string_member(body, "asset"));
    TRY(const std::string amount, json::string_member(body, "amount"));
    TRY(out.amount, parse_amount(amount));
    TRY(out.calls, json::uint_member(body, "calls"));
    TRY(out.time.value, json::uint_member(body, "time"));
    TRY(out.subject, json::string_member(body, "subject"));
    TRY(out.request_digest, bytes32_member(body, "requestDigest"));
    TRY(out.response_digest, bytes32_member(body, "responseDigest"));
    return out;
}

/// The signature is by `signer` over everything else.
Result<crypto::Ed25519PublicKey> check_signature(json::Object body, const std::string& signer) {
    TRY(const std::string signature_text, json::string_member(body, "signature"));
    TRY(const Bytes signature, from_base64url(signature_text));
    body.erase("signature");
    TRY(const std::string signed_text, json::canonical(body));
    TRY(const identity::DidKey key, identity::parse_did_key(signer));
    const auto* const ed25519 = std::get_if<crypto::Ed25519PublicKey>(&key);
    if (ed25519 == nullptr || !crypto::verify(*ed25519, as_bytes(signed_text), signature)) {
        return fail(IdentityError::bad_signature,
            "it was not signed by " + signer + ", or was changed since");
    }
    return *ed25519;
}

/// The account's word on the key, as of the time at which it says the least.
Result<void> check_delegation(const json::Object& body,
    const crypto::Ed25519PublicKey& key,
    const ReceiptExpectation& expected,
    UnixSeconds now,
    VerifiedReceipt& out) {
    const auto member = json::object_member(body, "delegation");
    if (!member) {
        return fail(IdentityError::wrong_delegation, "no account vouches for its key");
    }
    TRY(const auto delegation, identity::from_json<Delegation>(*member));
    TRY(const auto name, identity::ProviderName::parse(out.provider));
    if (now.value < delegation.fields.not_before) {
        return fail(IdentityError::not_yet_valid,
            "its key is valid from " + format_utc({delegation.fields.not_before}));
    }
    const UnixSeconds at{std::max(out.time.value, delegation.fields.not_before)};
    const identity::Domain domain{.chain_id = out.chain_id, .escrow = out.escrow};
    TRY(const auto delegated,
        identity::verify_delegation(delegation,
            {.account = out.account, .node = name.node(), .lowest_epoch = expected.lowest_epoch},
            at, domain));
    if (delegated != key) {
        return fail(IdentityError::wrong_delegation, "the delegation is for another key");
    }
    out.epoch = delegation.fields.epoch;
    return {};
}

Result<void> check_expectation(const VerifiedReceipt& receipt, const ReceiptExpectation& expected) {
    if (expected.provider && *expected.provider != receipt.account) {
        return fail(CommonError::conflict,
            "it is by " + to_string(receipt.account) + ", not by " + to_string(*expected.provider));
    }
    if (expected.request) {
        const std::string audience = protocol::audience(receipt.chain_id, receipt.account);
        const Bytes32 digest = protocol::request_digest({.method = expected.request->method,
            .target = expected.request->target,
            .content_digest = crypto::sha256(expected.request->body),
            .audience = audience});
        if (digest != receipt.request_digest) {
            return fail(CommonError::conflict,
                "it is of another request: " + to_string(receipt.request_digest) +
                    ", this one's digest is " + to_string(digest));
        }
    }
    if (expected.response &&
        Bytes32{crypto::sha256(*expected.response)} != receipt.response_digest) {
        return fail(CommonError::conflict, "it is of another answer: the body's SHA-256 is not " +
                                               to_string(receipt.response_digest));
    }
    return {};
}

}  // namespace

Result<VerifiedReceipt> verify_receipt(
    std::string_view text, const ReceiptExpectation& expected, UnixSeconds now) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = kMaxReceipt, .max_depth = 8}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a receipt is a JSON object");
    }
    const json::Object& body = value.get_object();
    TRY(VerifiedReceipt receipt, read_fields(body));
    TRY(const auto key, check_signature(body, receipt.signer));
    TRY_VOID(check_delegation(body, key, expected, now, receipt));
    TRY_VOID(check_expectation(receipt, expected));
    return receipt;
}

}  // namespace decloud::client
