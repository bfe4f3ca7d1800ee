#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/secret.hpp>
#include <decloud/identity/keystore.hpp>
#include <decloud/protocol/credential_claims.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace decloud::client {

/// The OpenCloud id of a home.
struct OpenCloudId {
    /// Of its Ed25519 key.
    crypto::Secret seed;
    /// "did:key:z6Mk…"
    std::string id;
    /// The ids that it has followed, the latest first, at most 8 of them.
    std::vector<protocol::CredentialClaim> earlier;

    /// What requests bring as `OpenCloud-Credential`; empty if it has followed none.
    [[nodiscard]] std::string credentials() const;
};

/// Made when it is first asked for. `successions` is the file of the ids that it has followed.
/// Errors: the KeyStore's; CommonError::corrupt for the file.
[[nodiscard]] Result<OpenCloudId> open_opencloud_id(
    identity::KeyStore& keys, const std::filesystem::path& successions);

/// Makes the id that follows; the key of the one before signs that, and is gone. After a crash it
/// is wholly the one or the other. Errors: as above.
[[nodiscard]] Result<OpenCloudId> rotate_opencloud_id(
    identity::KeyStore& keys, const std::filesystem::path& successions, UnixSeconds now);

}  // namespace decloud::client
