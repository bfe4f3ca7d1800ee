#pragma once

#include "error.hpp"
#include "secret.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

namespace decloud::crypto {

/// r ‖ s ‖ v with s in the lower half and v 27 or 28: the form that OpenZeppelin's ECDSA takes.
using EcdsaSignature = FixedBytes<65, struct EcdsaSignatureTag>;
/// x ‖ y without the leading 0x04.
using Secp256k1PublicKey = FixedBytes<64, struct Secp256k1PublicKeyTag>;

/// An Ethereum account's key. Move only, wiped on destruction, never printable. Signing is thread
/// safe.
class Secp256k1PrivateKey {
  public:
    /// A fresh key from the kernel's generator.
    [[nodiscard]] static Secp256k1PrivateKey generate();
    /// Error: CryptoError::invalid_key unless 32 bytes, not zero and below the group's order.
    [[nodiscard]] static Result<Secp256k1PrivateKey> from_bytes(BytesView secret);

    /// The account's address and its public key. Live as long as this object.
    [[nodiscard]] const Address& address() const { return address_; }
    [[nodiscard]] const Secp256k1PublicKey& public_key() const { return public_key_; }

    /// Deterministic (RFC 6979) low-s signature over a 32-byte digest.
    [[nodiscard]] EcdsaSignature sign(const Bytes32& digest) const;

    /// The 32 secret bytes, for the key store only. Valid as long as this object.
    [[nodiscard]] BytesView secret_bytes() const { return secret_.view(); }

  private:
    explicit Secp256k1PrivateKey(Secret secret);

    Secret secret_;
    Secp256k1PublicKey public_key_;
    Address address_;
};

/// The last 20 bytes of the key's Keccak-256.
[[nodiscard]] Address address_of(const Secp256k1PublicKey& key);

/// Who signed `digest`. Error: CryptoError::invalid_signature if the signature is not exactly 65
/// bytes, v is not 27 or 28, r or s is zero or too large, s is in the upper half, or no key
/// recovers.
[[nodiscard]] Result<Address> recover(const Bytes32& digest, BytesView signature);

}  // namespace decloud::crypto
