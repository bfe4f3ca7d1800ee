#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/message.hpp>

namespace decloud::protocol {

/// What a signed answer is bound to.
struct SignedAnswer {
    int http_status = 200;
    std::string_view opencloud_status;
    crypto::Sha256Digest content_digest;
    /// The RequestDigest of the request that is answered.
    Bytes32 request_digest;
    UnixSeconds created;
    /// The digest and the signature travel as trailers.
    bool in_trailers = false;
};

/// Content-Digest, OpenCloud-Request, Signature-Input and Signature (RFC 9421, RFC 9530) over
/// @status, content-digest, opencloud-status and opencloud-request, under the label `oc`. Add them
/// to the head, or send them as trailers.
[[nodiscard]] net::http::Headers sign_answer(
    const SignedAnswer& answer, const crypto::Ed25519PrivateKey& key);

/// The bytes that are signed: RFC 9421's signature base.
[[nodiscard]] std::string answer_signature_base(
    const SignedAnswer& answer, std::string_view signature_params);

}  // namespace decloud::protocol
