#pragma once

#include "error.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/crypto/secret.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace decloud::identity {

/// scrypt (RFC 7914): `n` is a power of two, and 128 × n × r bytes of memory are needed. The
/// defaults are those of Ethereum's clients: 256 MiB and about a second.
struct ScryptParameters {
    std::uint64_t n = 1U << 18U;
    std::uint32_t r = 8;
    std::uint32_t p = 1;

    friend bool operator==(const ScryptParameters&, const ScryptParameters&) = default;
};

/// PBKDF2 (RFC 8018) with HMAC-SHA-256.
struct Pbkdf2Parameters {
    std::uint64_t iterations = 0;

    friend bool operator==(const Pbkdf2Parameters&, const Pbkdf2Parameters&) = default;
};

/// How a passphrase becomes a key; scrypt is written, both are read.
using KeyDerivation = std::variant<ScryptParameters, Pbkdf2Parameters>;

/// Most memory that opening a key takes, and most work: mixed blocks of scrypt (n × r × p), rounds
/// of PBKDF2. A file that asks for more is refused before anything is computed.
inline constexpr std::uint64_t kMaxScryptMemory = 512ULL << 20U;
inline constexpr std::uint64_t kMaxScryptWork = 1ULL << 24U;
inline constexpr std::uint64_t kMaxPbkdf2Iterations = 10'000'000;
/// Longest passphrase in bytes, and longest file.
inline constexpr std::size_t kMaxPassphrase = 1024;
inline constexpr std::size_t kMaxEncryptedKeyFile = 16 * 1024;

/// An account's key under a passphrase: version 3 of Ethereum's Web3 Secret Storage Definition, as
/// geth, clef and most wallets keep keys (scrypt or PBKDF2, AES-128-CTR, a Keccak-256 MAC). A value
/// that was parsed is within the limits above; only the passphrase can be wrong.
class EncryptedKey {
  public:
    /// Reads the JSON. Members that the definition does not name are left alone; "Crypto" is taken
    /// for "crypto", as some wallets write it. Errors: invalid_input, limit_exceeded.
    [[nodiscard]] static Result<EncryptedKey> parse(std::string_view text);
    /// The same of JSON that was parsed already.
    [[nodiscard]] static Result<EncryptedKey> from_json(const json::Object& object);

    /// Encrypts a key with fresh salt, vector and id. Takes as long as `open`. Errors:
    /// invalid_input for a passphrase that is empty or too long, limit_exceeded for parameters
    /// beyond the limits, unavailable without memory for them.
    [[nodiscard]] static Result<EncryptedKey> seal(const crypto::Secp256k1PrivateKey& key,
        BytesView passphrase,
        ScryptParameters parameters = {});

    /// The key. Errors: IdentityError::wrong_passphrase; corrupt if what was encrypted is no key or
    /// another account's; unavailable without memory for the derivation.
    [[nodiscard]] Result<crypto::Secp256k1PrivateKey> open(BytesView passphrase) const;

    /// What the file says in the clear; not every program writes it, and only `open` proves it.
    [[nodiscard]] const std::optional<Address>& address() const { return address_; }
    /// Live as long as this object.
    [[nodiscard]] const KeyDerivation& derivation() const { return derivation_; }
    /// What `parse` reads back, and other programs too.
    [[nodiscard]] json::Object to_json() const;

    friend bool operator==(const EncryptedKey&, const EncryptedKey&) = default;

  private:
    EncryptedKey() = default;
    [[nodiscard]] Result<crypto::Secret> derive(BytesView passphrase) const;
    [[nodiscard]] Bytes32 mac_of(const crypto::Secret& derived) const;

    std::optional<Address> address_;
    /// A UUID; may be empty, as nothing depends on it.
    std::string id_;
    KeyDerivation derivation_;
    Bytes salt_;
    std::array<std::uint8_t, 16> vector_{};
    std::array<std::uint8_t, 32> ciphertext_{};
    Bytes32 mac_{};
};

/// True for JSON that means to be an `EncryptedKey`, valid or not.
[[nodiscard]] bool is_encrypted_key(const json::Object& object);

}  // namespace decloud::identity
