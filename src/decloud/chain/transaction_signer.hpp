#pragma once

#include "transaction.hpp"

#include <decloud/base/result.hpp>

namespace decloud::chain {

/// Who signs one account's transactions: a key of this process, or somebody who guards it.
class TransactionSigner {
  public:
    virtual ~TransactionSigner() = default;
    /// The account.
    [[nodiscard]] virtual const Address& address() const = 0;
    /// Exactly this transaction, signed; from a wallet that sends it itself, with gas and fees as
    /// that chose. May block until somebody has decided. Errors: the signer's.
    [[nodiscard]] virtual Result<SignedTransaction> sign(const Transaction& transaction) = 0;
};

/// Signs with a key that outlives it.
class KeySigner final : public TransactionSigner {
  public:
    explicit KeySigner(const crypto::Secp256k1PrivateKey& key) : key_(key) {}
    [[nodiscard]] const Address& address() const override { return key_.address(); }
    [[nodiscard]] Result<SignedTransaction> sign(const Transaction& transaction) override {
        return chain::sign(transaction, key_);
    }

  private:
    const crypto::Secp256k1PrivateKey& key_;
};

}  // namespace decloud::chain
