#pragma once

#include <decloud/base/result.hpp>
#include <decloud/content/disk_store.hpp>
#include <decloud/content/pins.hpp>
#include <decloud/content/private_blocks.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/rsa.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/crypto/secret.hpp>
#include <decloud/ipfs/ipns_publisher.hpp>
#include <decloud/ipfs/ipns_records.hpp>
#include <decloud/kubo/engine.hpp>
#include <decloud/store/home_lock.hpp>
#include <decloud/store/record_store.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace decloud::node {

/// Keys that the node's process holds.
struct Keys {
    crypto::Ed25519PrivateKey identity;
    crypto::Secp256k1PrivateKey settler;
    std::vector<crypto::RsaPrivateKey> rsa;
    crypto::Secret module_cache;
};

/// Makes those that are not there yet. Errors: the KeyStore's.
[[nodiscard]] Result<Keys> open_keys(const std::filesystem::path& folder);

/// What is on disk, opened before anything is served.
struct Storage {
    store::HomeLock lock;
    std::unique_ptr<content::DiskBlockStore> disk;
    std::unique_ptr<content::Pins> pin_file;
    std::unique_ptr<content::PrivateBlocks> private_blocks;
    /// Null: all content is on this disk.
    std::unique_ptr<kubo::Engine> kubo;
    /// By which content is kept: the engine's, or the two above.
    content::ManagedBlockStore* blocks = nullptr;
    content::Pins* pins = nullptr;
    std::unique_ptr<ipfs::IpnsRecords> ipns_records;
    std::unique_ptr<store::RecordStore> records;
    /// Of the two above.
    std::unique_ptr<ipfs::IpnsPublisher> ipns_publisher;
};

/// `keys` is the folder of the KeyStore. With `kubo`, public content is kept there. Errors:
/// StoreError::in_use if another node has the home; whatever a store that is damaged says, by name;
/// `kubo::Engine::check`'s.
[[nodiscard]] Result<Storage> open_storage(const std::filesystem::path& home,
    const std::filesystem::path& keys,
    std::optional<kubo::ApiSettings> kubo);

}  // namespace decloud::node
