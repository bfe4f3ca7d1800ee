#pragma once

#include "eip712.hpp"
#include "error.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::identity {

/// The owner's word on a spec (design §3, Deploy). A public deployment names no providers.
struct Deployment {
    Bytes32 spec_hash{};
    Address owner{};
    /// Namehashes of the providers' names.
    std::vector<Bytes32> providers{};
    std::vector<Bytes32> key_thumbprints{};
    Bytes32 terms_hash{};
    Address escrow{};
    std::uint64_t chain_id = 0;
    Uint128 max_price = 0;
    std::uint64_t created = 0;
    friend bool operator==(const Deployment&, const Deployment&) = default;
};

/// A payer's permission for one request (design §3).
struct CallAuthorization {
    Address payer{};
    Address provider{};
    Bytes32 request_digest{};
    Uint128 max_price = 0;
    Bytes32 nonce{};
    std::uint64_t valid_before = 0;
    friend bool operator==(const CallAuthorization&, const CallAuthorization&) = default;
};

/// An account's permission for a node's Ed25519 key (design §2, Keys).
struct Delegation {
    Address account{};
    Bytes32 node{};
    Bytes32 ed25519_key{};
    std::uint64_t epoch = 0;
    std::uint64_t not_before = 0;
    std::uint64_t expires = 0;
    friend bool operator==(const Delegation&, const Delegation&) = default;
};

/// Ends a deployment for good.
struct Revocation {
    Bytes32 spec_hash{};
    Address owner{};
    std::uint64_t created = 0;
    friend bool operator==(const Revocation&, const Revocation&) = default;
};

/// All that a channel's provider may claim of it. Signed by the channel's signer, under
/// `voucher_domain_separator`.
struct Voucher {
    Bytes32 channel_id{};
    Uint128 cumulative_amount = 0;
    friend bool operator==(const Voucher&, const Voucher&) = default;
};

/// The key with whose MACs calls are paid for from a channel until `valid_before`. Signed by the
/// channel's signer.
struct Window {
    Bytes32 channel_id{};
    /// SHA-256 of the 32-byte key.
    Bytes32 key_hash{};
    /// Calls have this sequence or a higher one.
    std::uint64_t first_sequence = 0;
    std::uint64_t valid_before = 0;
    friend bool operator==(const Window&, const Window&) = default;
};

/// A struct with the 65-byte signature of the account that it names.
template <class Struct>
struct Signed {
    Struct fields;
    crypto::EcdsaSignature signature;
    friend bool operator==(const Signed&, const Signed&) = default;
};

/// The EIP-712 digest that is signed.
[[nodiscard]] Bytes32 digest(const Deployment& fields, const Domain& domain);
[[nodiscard]] Bytes32 digest(const CallAuthorization& fields, const Domain& domain);
[[nodiscard]] Bytes32 digest(const Delegation& fields, const Domain& domain);
[[nodiscard]] Bytes32 digest(const Revocation& fields, const Domain& domain);
[[nodiscard]] Bytes32 digest(const Voucher& fields, const Domain& domain);
[[nodiscard]] Bytes32 digest(const Window& fields, const Domain& domain);

/// EIP-712's encoded type of what an account signs.
[[nodiscard]] std::string_view type_of(const Deployment& fields);
[[nodiscard]] std::string_view type_of(const CallAuthorization& fields);
[[nodiscard]] std::string_view type_of(const Delegation& fields);
[[nodiscard]] std::string_view type_of(const Revocation& fields);
[[nodiscard]] std::string_view type_of(const Voucher& fields);
[[nodiscard]] std::string_view type_of(const Window& fields);

/// The account that must have signed: owner, payer, account, owner.
[[nodiscard]] inline const Address& signatory(const Deployment& fields) { return fields.owner; }
[[nodiscard]] inline const Address& signatory(const CallAuthorization& fields) {
    return fields.payer;
}
[[nodiscard]] inline const Address& signatory(const Delegation& fields) { return fields.account; }
[[nodiscard]] inline const Address& signatory(const Revocation& fields) { return fields.owner; }

/// Signs with `key`, which must be the signatory's. Error: IdentityError::bad_signature if it is
/// not.
template <class Struct>
[[nodiscard]] Result<Signed<Struct>> sign(
    Struct fields, const Domain& domain, const crypto::Secp256k1PrivateKey& key) {
    if (key.address() != signatory(fields)) {
        return fail(IdentityError::bad_signature, "the key of " + to_string(key.address()) +
                                                      " cannot sign for " +
                                                      to_string(signatory(fields)));
    }
    const crypto::EcdsaSignature signature = key.sign(digest(fields, domain));
    return Signed<Struct>{std::move(fields), signature};
}

/// Whether the named account signed this under `domain`. Checks no times and no other fields. About
/// 40 µs. Error: IdentityError::bad_signature.
template <class Struct>
[[nodiscard]] Result<void> verify(const Signed<Struct>& statement, const Domain& domain) {
    const auto signer =
        crypto::recover(digest(statement.fields, domain), statement.signature.view());
    if (!signer) {
        return fail(IdentityError::bad_signature, signer.error().message());
    }
    if (*signer != signatory(statement.fields)) {
        return fail(IdentityError::bad_signature, "signed by " + to_string(*signer) + ", not by " +
                                                      to_string(signatory(statement.fields)));
    }
    return {};
}

/// Signs what names no signatory: a Voucher or a Window, with the key of the channel's signer.
template <class Struct>
[[nodiscard]] Signed<Struct> sign_for_channel(
    Struct fields, const Domain& domain, const crypto::Secp256k1PrivateKey& key) {
    return {fields, key.sign(digest(fields, domain))};
}

/// Who signed it. About 40 µs. Error: CryptoError::invalid_signature.
template <class Struct>
[[nodiscard]] Result<Address> signer_of(const Signed<Struct>& statement, const Domain& domain) {
    return crypto::recover(digest(statement.fields, domain), statement.signature.view());
}

/// Fields under their EIP-712 names and `signature`; hashes and addresses in lower-case
/// hexadecimal, integers as numbers up to 2⁵³ and as decimal strings beyond. `json::canonical`
/// gives the bytes that travel.
[[nodiscard]] json::Object to_json(const Signed<Deployment>& statement);
[[nodiscard]] json::Object to_json(const Signed<CallAuthorization>& statement);
[[nodiscard]] json::Object to_json(const Signed<Delegation>& statement);
[[nodiscard]] json::Object to_json(const Signed<Revocation>& statement);
[[nodiscard]] json::Object to_json(const Signed<Voucher>& statement);
[[nodiscard]] json::Object to_json(const Signed<Window>& statement);

/// Exactly those members; integers as numbers or decimal strings; at most 256 providers. The
/// signature is not verified. Error: invalid_input naming the member.
template <class Struct>
[[nodiscard]] Result<Signed<Struct>> from_json(const json::Object& object);
template <>
Result<Signed<Deployment>> from_json(const json::Object& object);
template <>
Result<Signed<CallAuthorization>> from_json(const json::Object& object);
template <>
Result<Signed<Delegation>> from_json(const json::Object& object);
template <>
Result<Signed<Revocation>> from_json(const json::Object& object);
template <>
Result<Signed<Voucher>> from_json(const json::Object& object);
template <>
Result<Signed<Window>> from_json(const json::Object& object);

/// The same from text of at most 64 KiB.
template <class Struct>
[[nodiscard]] Result<Signed<Struct>> parse_signed(std::string_view text) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = 64 * 1024, .max_depth = 4}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a signed statement is a JSON object");
    }
    return from_json<Struct>(value.get_object());
}

}  // namespace decloud::identity
