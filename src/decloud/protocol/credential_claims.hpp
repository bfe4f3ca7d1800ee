#pragma once

#include "credential.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::protocol {

/// One member of `OpenCloud-Credential`: `"0x…";exp=…;proof="0x…"`, or of an id that was left
/// `"did:key:…";by="did:key:…";exp=…;proof="…"`.
struct CredentialClaim {
    std::string id;
    UnixSeconds expires;
    std::string proof;
    /// The id that follows; empty where that says nothing.
    std::string by{};
};

/// What the other key signs to vouch for `did`:
/// `OpenCloud-Credential-v1|{did}|{id}|{exp}|{audience}`.
[[nodiscard]] std::string credential_text(
    std::string_view did, const CredentialClaim& claim, std::string_view audience);

/// Whom a claim may vouch for.
struct Vouched {
    /// The ids that sign the request.
    std::span<const std::string> signers;
    /// Ids that those have followed, as far as the claims before have proved.
    std::span<const std::string> earlier;
    std::string_view audience;
};

/// Reads one kind of claim. Registered once.
class CredentialVerifier {
  public:
    virtual ~CredentialVerifier() = default;
    /// The `Credential::kind` it gives. Lives as long as this object.
    [[nodiscard]] virtual std::string_view kind() const = 0;
    /// True if an id is of this kind by its form alone.
    [[nodiscard]] virtual bool recognizes(std::string_view id) const = 0;
    /// The credential, if the proof is the id's own for one of `vouched`. Error: invalid_input.
    [[nodiscard]] virtual Result<Credential> verify(
        const CredentialClaim& claim, const Vouched& vouched) const = 0;
};

/// Accounts: the proof is an EIP-191 signature ("personal_sign"), 65 bytes as hex.
[[nodiscard]] std::unique_ptr<CredentialVerifier> make_ethereum_credentials();

/// EIP-191 version 0x45: what an account signs for a text.
[[nodiscard]] Bytes32 personal_message_digest(std::string_view text);

/// Strict; at most 8 claims. Error: invalid_input.
[[nodiscard]] Result<std::vector<CredentialClaim>> parse_credential_claims(std::string_view field);

}  // namespace decloud::protocol
