#pragma once

#include "problem.hpp"
#include "signature_base.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/identity/did_key.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::protocol {

/// How far a signer's clock may be off.
inline constexpr std::chrono::seconds kClockSkew{30};
/// Keys that may sign one request.
inline constexpr std::size_t kMaxRequestSignatures = 8;

/// One signature of a request by an OpenCloud id, read but not yet verified.
struct RequestSignature {
    std::string label;
    /// The covered components and their parameters.
    InnerList input;
    Bytes signature;
    /// The keyid, a did:key.
    std::string id;
    identity::DidKey key;
    UnixSeconds created;
    std::optional<UnixSeconds> expires;
    /// Empty if it has none.
    std::string nonce;
};

/// The signatures by did:key ids in `Signature-Input` and `Signature`, in their order; none if the
/// request is not signed. Signatures by other keys are left out where their tag is not ours.
/// Problem: 401 for what is malformed, too many, a key that is no did:key, an algorithm that is not
/// the key's, two by one id, or no `created`.
[[nodiscard]] Checked<std::vector<RequestSignature>> read_request_signatures(
    const net::http::Headers& headers);

/// What a signature has to cover here.
struct CoverageRules {
    /// The request brings a body.
    bool has_body = false;
    /// The authority of the request is this node's own and nobody else's, so that covering it says
    /// whom the request is for.
    bool own_authority = false;
};

/// Problem: 401 that names what is missing. Must be covered: @method; @path and @query with
/// opencloud-audience, or @target-uri, or these two with @authority, at an authority of this node's
/// own; content-digest where there is a body; every OpenCloud field.
[[nodiscard]] Checked<void> check_coverage(
    const RequestSignature& signature, const net::http::Headers& headers, CoverageRules rules);

/// Problem: 401 unless `created` is within the skew of `now` and `expires`, if there is one, is not
/// over.
[[nodiscard]] Checked<void> check_times(const RequestSignature& signature, UnixSeconds now);

/// Problem: 401 unless the key has signed exactly what the message has.
[[nodiscard]] Checked<void> check_signature(
    const RequestSignature& signature, const SignableMessage& message);

/// The components that are asked for in `Accept-Signature`: those of `asked`, or the usual ones.
[[nodiscard]] std::string accept_signature(
    const RequestSignature& signature, std::string_view nonce);

/// 401 with `WWW-Authenticate` said by the pipeline.
[[nodiscard]] std::unexpected<Problem> invalid_signature(std::string detail, std::string help = {});

}  // namespace decloud::protocol
