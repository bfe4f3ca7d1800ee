#pragma once

#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/transaction_signer.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/identity/error.hpp>
#include <decloud/identity/keystore.hpp>
#include <decloud/identity/typed_data.hpp>

#include <memory>
#include <string>

namespace decloud::client {

/// Signs what an account's owner decides: with a key of this home, or by asking an external signer
/// (JSON-RPC over HTTP), which holds the key and asks its own user. What an external signer gives
/// back is checked: it is over exactly what was asked for, by the account. A wallet that signs
/// transactions only to send them itself may choose gas and fees. Copies share the key.
/// Signing blocks the thread until the signer has answered, ten minutes at most. Not thread safe.
class AccountSigner final : public chain::TransactionSigner {
  public:
    /// A key of this home.
    AccountSigner(crypto::Secp256k1PrivateKey key);  // NOLINT(google-explicit-constructor)
    /// The signer at `url`, for `account`.
    AccountSigner(const Address& account, std::string url);

    [[nodiscard]] const Address& address() const override { return address_; }
    /// Errors: IdentityError::bad_signature if the account is not the one that must sign, or the
    /// signer signed something else; ClientError::not_authorised if it refused; NetError.
    template <class Struct>
    [[nodiscard]] Result<identity::Signed<Struct>> sign(
        Struct fields, const identity::Domain& domain) const {
        if (key_) {
            return identity::sign(std::move(fields), domain, *key_);
        }
        if (identity::signatory(fields) != address_) {
            return fail(IdentityError::bad_signature,
                to_string(address_) + " cannot sign for " + to_string(identity::signatory(fields)));
        }
        return sign_for_channel(std::move(fields), domain);
    }
    /// What names no signatory: a Voucher or a Window. Errors: the same.
    template <class Struct>
    [[nodiscard]] Result<identity::Signed<Struct>> sign_for_channel(
        Struct fields, const identity::Domain& domain) const {
        TRY(const auto signature,
            sign(identity::digest(fields, domain), identity::typed_data(fields, domain)));
        return identity::Signed<Struct>{std::move(fields), signature};
    }
    /// Over `digest`, which is that of `typed_data`. Errors: the same.
    [[nodiscard]] Result<crypto::EcdsaSignature> sign(
        const Bytes32& digest, json::Object typed_data) const;
    /// Errors: the same.
    [[nodiscard]] Result<chain::SignedTransaction> sign(
        const chain::Transaction& transaction) override;

  private:
    [[nodiscard]] Result<crypto::EcdsaSignature> ask_for_signature(json::Object typed_data) const;

    std::shared_ptr<const crypto::Secp256k1PrivateKey> key_;
    Address address_;
    std::string url_;
};

/// The signer of a home's account: its key, or whoever guards it. Errors: `KeyStore::account`'s.
[[nodiscard]] Result<AccountSigner> open_signer(
    const identity::KeyStore& keys, const std::string& account);

}  // namespace decloud::client
