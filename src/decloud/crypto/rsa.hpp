#pragma once

#include "error.hpp"
#include "secret.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace decloud::crypto {

/// An RSA key to which specs are encrypted, 2048 to 8192 bits. Cheap to copy; thread safe.
class RsaPublicKey {
  public:
    /// RFC 7517 with `kty`, `n` and `e` (base64url without padding, no leading zeros); other
    /// members are ignored. Error: CryptoError::invalid_key.
    [[nodiscard]] static Result<RsaPublicKey> from_jwk(const json::Object& jwk);
    /// The same from JSON text of at most 8 KiB. Errors also: invalid_input, limit_exceeded.
    [[nodiscard]] static Result<RsaPublicKey> from_jwk(std::string_view jwk);

    /// `{"e","kty","n"}` in this order, which is also the canonical form.
    [[nodiscard]] json::Object to_jwk() const;
    /// RFC 7638, SHA-256.
    [[nodiscard]] const Bytes32& thumbprint() const;
    /// The thumbprint in base64url: a JWE's `kid`.
    [[nodiscard]] std::string key_id() const;

    /// RSA-OAEP with SHA-256 and MGF1-SHA-256 (RFC 7518 §4.3). Error: invalid_input if too long.
    [[nodiscard]] Result<Bytes> encrypt_oaep_sha256(BytesView plaintext) const;

  private:
    friend class RsaPrivateKey;
    struct Data;
    explicit RsaPublicKey(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
    std::shared_ptr<const Data> data_;
};

/// Move only, never printable. Decryption is thread safe.
class RsaPrivateKey {
  public:
    /// Takes up to seconds: call it on a worker thread where something waits.
    [[nodiscard]] static RsaPrivateKey generate(std::size_t bits = 3072);
    /// PKCS#8 in PEM, not encrypted. Error: CryptoError::invalid_key.
    [[nodiscard]] static Result<RsaPrivateKey> from_pem(BytesView pem);

    RsaPrivateKey(RsaPrivateKey&&) noexcept;
    RsaPrivateKey& operator=(RsaPrivateKey&&) noexcept;
    RsaPrivateKey(const RsaPrivateKey&) = delete;
    RsaPrivateKey& operator=(const RsaPrivateKey&) = delete;
    ~RsaPrivateKey();

    /// PKCS#8 in PEM, for the key store only.
    [[nodiscard]] Secret to_pem() const;
    /// Lives as long as this object; copies live on their own.
    [[nodiscard]] const RsaPublicKey& public_key() const { return public_key_; }

    /// Error: CryptoError::decryption_failed, with no hint why. The result is always checked by an
    /// AEAD tag that the same sender made, so the caller learns one bit at most.
    [[nodiscard]] Result<Secret> decrypt_oaep_sha256(BytesView ciphertext) const;

  private:
    struct Data;
    RsaPrivateKey(std::unique_ptr<Data> data, RsaPublicKey public_key);
    std::unique_ptr<Data> data_;
    RsaPublicKey public_key_;
};

}  // namespace decloud::crypto
