#pragma once

#include "error.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/aead.hpp>
#include <decloud/crypto/rsa.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::identity {

/// How large a stranger's JWE may be; beyond it limit_exceeded.
struct JweLimits {
    std::size_t max_bytes = 2U << 20U;
    std::size_t max_recipients = 64;
};

/// RFC 7516 general JSON serialization in RFC 8785 form: `A256GCM`, one `RSA-OAEP-256` recipient
/// for each key, whose `kid` is the key's RFC 7638 thumbprint. A fresh content key each time, so
/// that two calls differ. Errors: invalid_input without recipients or with over 64; limit_exceeded.
[[nodiscard]] Result<std::string> encrypt_jwe(
    BytesView plaintext, std::span<const crypto::RsaPublicKey> recipients);

/// A parsed JWE (general or flattened JSON serialization). Immutable.
class Jwe {
  public:
    /// Errors: invalid_input for anything but A256GCM without `crit` and `zip`, limit_exceeded.
    /// Recipients with other algorithms are passed over.
    [[nodiscard]] static Result<Jwe> parse(std::string_view text, JweLimits limits = {});

    /// The `kid` of every RSA-OAEP-256 recipient, in order; empty texts for those without.
    [[nodiscard]] std::vector<std::string> key_ids() const;

    /// Tries the first eight recipients whose `kid` is the key's thumbprint, or who have none.
    /// Errors: IdentityError::not_a_recipient; CryptoError::decryption_failed.
    [[nodiscard]] Result<Bytes> decrypt(const crypto::RsaPrivateKey& key) const;
    /// With the first of several keys (the current one and retired ones) that is a recipient.
    [[nodiscard]] Result<Bytes> decrypt(std::span<const crypto::RsaPrivateKey> keys) const;

  private:
    struct Recipient {
        std::string key_id;
        Bytes encrypted_key;
    };

    [[nodiscard]] Result<void> add_recipient(const json::Object& shared, const json::Object& row);
    [[nodiscard]] Result<Bytes> open(
        const crypto::RsaPrivateKey& key, const Recipient& recipient) const;

    std::vector<Recipient> recipients_;
    Bytes associated_data_;
    crypto::GcmNonce nonce_{};
    Bytes ciphertext_;
    crypto::GcmTag tag_{};
};

}  // namespace decloud::identity
