#pragma once

#include "error.hpp"
#include "keystore_v3.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/rsa.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/crypto/secret.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::identity {

/// An account in the key store, without its key.
struct AccountEntry {
    std::string name{};
    Address address{};
    /// Whether a passphrase opens it.
    bool encrypted = false;
    /// Where the signer answers that holds its key; empty: the key is here.
    std::string external{};
};

/// Gives the passphrase of an account that is encrypted; its errors are passed on.
using PassphraseSource = std::function<Result<crypto::Secret>(const AccountEntry& account)>;

/// Keys on disk, each in a file of its own with mode 0600 in folders with mode 0700:
/// `accounts/NAME.json`, `node/…`. JSON files carry a format version, RSA keys are PKCS#8 in PEM.
/// An account may be encrypted (`EncryptedKey`); the node's own keys are not, as a node starts
/// alone. Files are written beside and renamed, and are refused if anyone else may read or write
/// them (IdentityError::unsafe_permissions) or a newer decloud wrote them (newer_version). Blocks
/// on the disk. Not thread safe.
class KeyStore {
  public:
    /// Makes the folders if they are missing. `passphrase` is asked when an encrypted account's key
    /// is needed, and outlives the store.
    [[nodiscard]] static Result<KeyStore> open(
        std::filesystem::path folder, PassphraseSource passphrase = {});

    /// Names are 1 to 64 of a–z, 0–9, `-`, `_`. Opening an encrypted one takes a second. Errors:
    /// not_found, corrupt, unsafe_permissions, …; wrong_passphrase, the source's own, and
    /// passphrase_required if there is none.
    [[nodiscard]] Result<crypto::Secp256k1PrivateKey> account(std::string_view name) const;
    /// What is known of an account without its passphrase. Errors as `account`.
    [[nodiscard]] Result<AccountEntry> describe(std::string_view name) const;
    /// Error: already_exists; an account's file is never overwritten.
    [[nodiscard]] Result<crypto::Secp256k1PrivateKey> create_account(std::string_view name);
    /// Stores a key that was made elsewhere. Errors as `create_account`.
    [[nodiscard]] Result<void> import_account(
        std::string_view name, const crypto::Secp256k1PrivateKey& key);
    /// The same, encrypted. Error: invalid_input if `key` does not say its address.
    [[nodiscard]] Result<void> import_account(std::string_view name, const EncryptedKey& key);
    /// An account whose key an external signer holds. Errors as `create_account`.
    [[nodiscard]] Result<void> add_external_account(
        std::string_view name, const Address& address, std::string_view url);
    /// The account as it is stored. Error: not_found too if it is not encrypted.
    [[nodiscard]] Result<EncryptedKey> encrypted_account(std::string_view name) const;
    /// Puts an account under a passphrase; what stood in the file is overwritten. Errors:
    /// already_exists if it has one, and as `account` and `EncryptedKey::seal`.
    [[nodiscard]] Result<void> encrypt_account(std::string_view name, BytesView passphrase);
    /// Stores an encrypted account's key in the clear. Errors: not_found too if it is not
    /// encrypted, and as `account`.
    [[nodiscard]] Result<void> decrypt_account(std::string_view name);
    /// Puts an encrypted account under another passphrase in one step: at any moment the file opens
    /// with the one or with the other. Errors as `decrypt_account` and `EncryptedKey::seal`.
    [[nodiscard]] Result<void> change_passphrase(std::string_view name, BytesView passphrase);
    /// Sorted by name; no passphrase is needed.
    [[nodiscard]] Result<std::vector<AccountEntry>> accounts() const;

    /// The node's identity key; made on first use.
    [[nodiscard]] Result<crypto::Ed25519PrivateKey> node_identity();
    /// Replaces it by a new one; the old one is gone.
    [[nodiscard]] Result<crypto::Ed25519PrivateKey> rotate_node_identity();
    /// The hot key that settles; made on first use.
    [[nodiscard]] Result<crypto::Secp256k1PrivateKey> settler();
    /// The key that specs are encrypted to, then retired ones, newest first. The first is made on
    /// first use, which takes a second.
    [[nodiscard]] Result<std::vector<crypto::RsaPrivateKey>> rsa_keys();
    /// Makes a new current key; the old one is kept as retired.
    [[nodiscard]] Result<void> rotate_rsa_key();
    /// 32 random bytes under a name (receipt MACs, module cache, nonces); made on first use.
    [[nodiscard]] Result<crypto::Secret> mac_key(std::string_view name);
    /// Puts 32 other bytes under that name; the old ones are gone. Error: invalid_input.
    [[nodiscard]] Result<void> replace_mac_key(std::string_view name, const crypto::Secret& key);

  private:
    KeyStore(std::filesystem::path folder, PassphraseSource passphrase)
        : folder_(std::move(folder)), passphrase_(std::move(passphrase)) {}
    [[nodiscard]] std::filesystem::path account_file(std::string_view name) const;

    [[nodiscard]] Result<crypto::Secp256k1PrivateKey> unlock(
        std::string_view name, const EncryptedKey& key) const;

    std::filesystem::path folder_;
    PassphraseSource passphrase_;
};

/// True for the ten published keys of anvil and Hardhat, which anybody can spend from.
[[nodiscard]] bool is_development_key(const Address& address);
/// Anvil's account 0 to 9 (BIP-39 "test test … junk"). Error: invalid_input for another index.
[[nodiscard]] Result<crypto::Secp256k1PrivateKey> development_key(std::size_t index);

}  // namespace decloud::identity
