#pragma once

#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>

#include <filesystem>
#include <string_view>

namespace decloud::identity {

/// The key under which content is published, from `ipns/NAME.json` in a key store's folder; made on
/// first use. It is no key of the node, so that a name outlives those. Names as accounts have.
/// Blocks on the disk. Errors: as `KeyStore::account`.
[[nodiscard]] Result<crypto::Ed25519PrivateKey> open_ipns_key(
    const std::filesystem::path& key_store, std::string_view name);

}  // namespace decloud::identity
