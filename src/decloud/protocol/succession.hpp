#pragma once

#include "credential_claims.hpp"

#include <memory>
#include <string>
#include <vector>

namespace decloud::protocol {

/// What an OpenCloud id signs to hand its name over to the next: the proof of the claim.
/// `OpenCloud-Succession-v1|{by}|{id}|{exp}`. It is for every audience, so that the key which
/// signed it can be destroyed.
[[nodiscard]] std::string succession_text(const CredentialClaim& claim);

/// Ids that were left: the proof is the earlier id's own signature in base64; the credential has
/// its successor. `by` must sign the request, or be an earlier id that a claim before has proved.
[[nodiscard]] std::unique_ptr<CredentialVerifier> make_succession_credentials();

/// The value of `OpenCloud-Credential`. The claims' members are plain ASCII without quotes.
[[nodiscard]] std::string format_credential_claims(const std::vector<CredentialClaim>& claims);

}  // namespace decloud::protocol
