#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/protocol/call.hpp>
#include <decloud/protocol/credential_claims.hpp>
#include <decloud/protocol/nonces.hpp>
#include <decloud/protocol/problem.hpp>
#include <decloud/protocol/request_signatures.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::pipeline {

/// Whom requests have to be signed for.
struct AuthenticationSettings {
    /// This node's audience.
    std::string audience;
    /// Of its public URL: "https" and "node.example:8402". Empty: only the audience counts.
    std::string scheme = "http";
    std::string authority{};
    protocol::NonceSettings nonces{};
};

/// Ids that were left for others, as this node has been shown. Lives on the pipeline's thread.
class Successions {
  public:
    virtual ~Successions() = default;
    /// Whom that id was left for; empty if nobody has shown that.
    [[nodiscard]] virtual std::string successor_of(std::string_view id) const = 0;
    /// A proved succession. What is kept of it is the implementation's choice.
    virtual void learn(const protocol::Credential& earlier) = 0;
};

/// Who a request comes from: the first thing that the pipeline asks. Not thread safe.
class Authentication {
  public:
    /// The clock outlives this object.
    Authentication(const Clock& clock, AuthenticationSettings settings);

    /// Another kind of credential besides did:key signatures.
    void add_verifier(std::unique_ptr<protocol::CredentialVerifier> verifier);

    /// Where successions are kept: an id that was left signs nothing any more. Outlives this.
    void set_successions(Successions& successions) { successions_ = &successions; }

    /// The credentials of a request; none if it is not signed. Uses up its nonces. Problems: 401
    /// invalid-signature, 401 refresh-nonce with `Accept-Signature` and fresh nonces, 421 for
    /// another node's request.
    [[nodiscard]] protocol::Checked<std::vector<protocol::Credential>> check(
        const protocol::Call& call);

    /// `OpenCloud-Nonce` for those ids among the credentials that sign requests; empty if there are
    /// none.
    [[nodiscard]] std::string fresh_nonces(const std::vector<protocol::Credential>& credentials);

    /// Bytes that the replay window takes.
    [[nodiscard]] std::size_t memory_bytes() const { return nonces_.memory_bytes(); }

  private:
    using Signatures = std::vector<protocol::RequestSignature>;
    [[nodiscard]] protocol::Checked<void> check_signatures(
        const protocol::Call& call, const Signatures& signatures);
    [[nodiscard]] protocol::Checked<void> check_nonces(const Signatures& signatures);
    [[nodiscard]] protocol::Checked<void> add_claims(const protocol::Call& call,
        const Signatures& signatures,
        std::vector<protocol::Credential>& credentials) const;

    [[nodiscard]] protocol::Checked<void> check_left(const protocol::Credential& credential) const;

    const Clock& clock_;
    AuthenticationSettings settings_;
    protocol::Nonces nonces_;
    std::vector<std::unique_ptr<protocol::CredentialVerifier>> verifiers_;
    Successions* successions_ = nullptr;
};

}  // namespace decloud::pipeline
