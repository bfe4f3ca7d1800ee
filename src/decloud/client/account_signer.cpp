#include "account_signer.hpp"

#include "error.hpp"
#include "internal/signer_rpc.hpp"
#include "internal/wallet_transaction.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/chain/checksum.hpp>
#include <decloud/contracts/signatures.hpp>
#include <decloud/identity/error.hpp>

#include <optional>
#include <utility>

namespace decloud::client {

using internal::ask_signer;
using internal::SignerMethod;

namespace {

constexpr SignerMethod kSignTypedData{"eth_signTypedData_v4", "account_signTypedData"};
constexpr SignerMethod kSignTransaction{"eth_signTransaction", "account_signTransaction"};

Result<Bytes> bytes_of(const json::Value& value) {
    if (!value.is_string()) {
        return fail(ClientError::remote, "the signer's answer is not hexadecimal");
    }
    return from_hex(value.get_string());
}

/// geth and clef answer with an object, others with the bytes alone.
Result<Bytes> raw_transaction(const json::Value& answer) {
    if (!answer.is_object()) {
        return bytes_of(answer);
    }
    const auto* const raw = answer.get_object().if_contains("raw");
    return raw == nullptr ? bytes_of(json::Value()) : bytes_of(*raw);
}

}  // namespace

AccountSigner::AccountSigner(crypto::Secp256k1PrivateKey key)
    : key_(std::make_shared<const crypto::Secp256k1PrivateKey>(std::move(key))),
      address_(key_->address()) {}

AccountSigner::AccountSigner(const Address& account, std::string url)
    : address_(account), url_(std::move(url)) {}

Result<crypto::EcdsaSignature> AccountSigner::ask_for_signature(json::Object typed_data) const {
    TRY(const auto answer,
        ask_signer(url_, kSignTypedData, {chain::checksummed(address_), std::move(typed_data)}));
    if (!answer) {
        return fail(ClientError::not_authorised,
            "the signer at " + url_ + " signs no EIP-712 structs: it lacks eth_signTypedData_v4");
    }
    TRY(Bytes bytes, bytes_of(*answer));
    if (bytes.size() == crypto::EcdsaSignature{}.bytes.size() && bytes.back() < 27) {
        bytes.back() = static_cast<std::uint8_t>(bytes.back() + 27);
    }
    const auto signature = crypto::EcdsaSignature::from(bytes);
    if (!signature) {
        return fail(IdentityError::bad_signature,
            "the signer at " + url_ + " gave something else than 65 bytes");
    }
    return *signature;
}

Result<crypto::EcdsaSignature> AccountSigner::sign(
    const Bytes32& digest, json::Object typed_data) const {
    if (key_) {
        return key_->sign(digest);
    }
    TRY(const auto signature, ask_for_signature(std::move(typed_data)));
    const auto signer = crypto::recover(digest, signature.view());
    if (!signer || *signer != address_) {
        return fail(IdentityError::bad_signature,
            "the signer at " + url_ + " signed something else, or for another account than " +
                to_string(address_));
    }
    return signature;
}

Result<chain::SignedTransaction> AccountSigner::sign(const chain::Transaction& transaction) {
    if (key_) {
        return chain::sign(transaction, *key_);
    }
    // clef refuses calls of functions that it cannot name.
    const std::string_view function = contracts::function_signature(transaction.data);
    TRY(const auto answer,
        ask_signer(url_, kSignTransaction, {internal::to_json(transaction, address_)},
            function.empty() ? std::nullopt : std::optional(function)));
    if (!answer) {
        // As browser wallets do: they sign what they send themselves.
        return internal::send_by_wallet(url_, transaction, address_);
    }
    TRY(const Bytes raw, raw_transaction(*answer));
    auto checked = chain::check_signed(transaction, address_, raw);
    if (!checked) {
        return fail(IdentityError::bad_signature,
            "the signer at " + url_ + " signed another transaction: " + checked.error().detail());
    }
    return checked;
}

Result<AccountSigner> open_signer(const identity::KeyStore& keys, const std::string& account) {
    TRY(const identity::AccountEntry entry, keys.describe(account));
    if (!entry.external.empty()) {
        return AccountSigner(entry.address, entry.external);
    }
    TRY(auto key, keys.account(account));
    return AccountSigner(std::move(key));
}

}  // namespace decloud::client
