#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/protocol/structured_fields.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace decloud::client {

/// Signs the requests of one OpenCloud id to one node, and keeps the nonce for the next. Single
/// threaded.
class RequestSigner {
  public:
    /// `audience` is the node's, from its `/.well-known/decloud`; `credentials` is what requests
    /// bring as `OpenCloud-Credential`. The clock outlives this.
    RequestSigner(crypto::Ed25519PrivateKey key,
        std::string audience,
        const Clock& clock,
        std::string credentials = {});

    /// The did:key that signs.
    [[nodiscard]] const std::string& id() const { return id_; }

    /// Adds `OpenCloud-Audience`, `Content-Digest` where there is a body, and a signature over
    /// everything that the node wants covered, with the nonce if one is known; what was signed
    /// before is replaced. Error: invalid_input for headers that cannot be signed.
    [[nodiscard]] Result<void> sign(std::string_view method,
        std::string_view target,
        const std::optional<crypto::Sha256Digest>& content,
        net::http::Headers& headers);

    /// Takes the nonce from an answer. True if the request has to be signed again with it.
    bool learn(const net::http::ResponseHead& answer);

  private:
    [[nodiscard]] protocol::InnerList covered(
        const net::http::Headers& headers, bool has_content) const;

    crypto::Ed25519PrivateKey key_;
    std::string id_;
    std::string audience_;
    std::string credentials_;
    const Clock& clock_;
    std::string nonce_;
};

/// What an answer's signature is checked against.
struct AnswerExpectation {
    std::string_view method;
    std::string_view target;
    /// Of the request's body, also of an empty one.
    crypto::Sha256Digest request_content;
    std::string_view audience;
    /// The node's did:key, from its `/.well-known/decloud`.
    std::string_view node_id;
};

/// Whether the node has signed exactly this answer to this request. `fields` are the head's, with
/// the trailers' where it was streamed. Errors: not_found if it is not signed; invalid_input saying
/// what does not fit.
[[nodiscard]] Result<void> check_answer(const net::http::ResponseHead& head,
    const net::http::Headers& trailers,
    const crypto::Sha256Digest& body,
    const AnswerExpectation& expected);

}  // namespace decloud::client
