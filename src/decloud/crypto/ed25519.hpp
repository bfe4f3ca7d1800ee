#pragma once

#include "error.hpp"
#include "secret.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <memory>

namespace decloud::crypto {

/// A compressed point (RFC 8032 §5.1.2); `verify` finds out whether it is one.
using Ed25519PublicKey = FixedBytes<32, struct Ed25519PublicKeyTag>;
/// R ‖ S (RFC 8032 §5.1.6).
using Ed25519Signature = FixedBytes<64, struct Ed25519SignatureTag>;

/// A signing key of RFC 8032. Move only, wiped on destruction, never printable. Signing is thread
/// safe.
class Ed25519PrivateKey {
  public:
    /// A fresh key from the kernel's generator.
    [[nodiscard]] static Ed25519PrivateKey generate();
    /// Error: CryptoError::invalid_key unless exactly 32 bytes.
    [[nodiscard]] static Result<Ed25519PrivateKey> from_seed(BytesView seed);

    /// Lives as long as this object.
    [[nodiscard]] const Ed25519PublicKey& public_key() const { return public_key_; }
    /// Deterministic pure Ed25519 (no prehash, no context) over the whole message.
    [[nodiscard]] Ed25519Signature sign(BytesView message) const;

    /// The 32 secret bytes, for the key store only. Valid as long as this object.
    [[nodiscard]] BytesView seed() const { return seed_.view(); }

  private:
    explicit Ed25519PrivateKey(Secret seed);

    Secret seed_;
    Ed25519PublicKey public_key_;
    // OpenSSL's form of the seed, made once.
    std::shared_ptr<void> handle_;
};

/// False for a wrong signature, a wrong length and a key that is no point.
[[nodiscard]] bool verify(const Ed25519PublicKey& key, BytesView message, BytesView signature);

}  // namespace decloud::crypto
