#include "authentication.hpp"

#include <decloud/protocol/request_digest.hpp>

#include <algorithm>

namespace decloud::pipeline {

using protocol::Checked;
using protocol::Credential;
using protocol::RequestSignature;
using protocol::Status;

namespace {

constexpr const char* kOpenCloudKind = "opencloud";

bool has_body(const protocol::Call& call) { return call.content_length.value_or(1) > 0; }

std::string nonce_member(std::string_view id, std::string_view nonce) {
    return '"' + std::string(nonce) + "\";keyid=\"" + std::string(id) + '"';
}

}  // namespace

Authentication::Authentication(const Clock& clock, AuthenticationSettings settings)
    : clock_(clock), settings_(std::move(settings)), nonces_(clock, settings_.nonces) {}

void Authentication::add_verifier(std::unique_ptr<protocol::CredentialVerifier> verifier) {
    verifiers_.push_back(std::move(verifier));
}

Checked<std::vector<Credential>> Authentication::check(const protocol::Call& call) {
    const auto& headers = call.head.headers;
    if (const auto audience = headers.find("OpenCloud-Audience");
        audience && *audience != settings_.audience) {
        return protocol::refuse(421, Status::bad_request,
            "this request is for " + std::string(*audience) + ", this is " + settings_.audience,
            "send it to the provider it is for, or sign another for this one");
    }
    auto signatures = protocol::read_request_signatures(headers);
    if (!signatures) {
        return std::unexpected(std::move(signatures.error()));
    }
    std::vector<Credential> credentials;
    if (signatures->empty()) {
        if (headers.contains("OpenCloud-Credential")) {
            return protocol::invalid_signature(
                "OpenCloud-Credential is worth something only under the signature of the key that "
                "it vouches for",
                "sign the request by that key");
        }
        return credentials;
    }
    if (auto valid = check_signatures(call, *signatures); !valid) {
        return std::unexpected(std::move(valid.error()));
    }
    for (const RequestSignature& signature : *signatures) {
        (void)nonces_.use(signature.id, signature.nonce);
        credentials.push_back({.kind = kOpenCloudKind, .id = signature.id});
    }
    if (auto added = add_claims(call, *signatures, credentials); !added) {
        return std::unexpected(std::move(added.error()));
    }
    for (const Credential& credential : credentials) {
        if (auto left = check_left(credential); !left) {
            return std::unexpected(std::move(left.error()));
        }
    }
    for (const Credential& credential : credentials) {
        if (successions_ != nullptr && !credential.successor.empty()) {
            successions_->learn(credential);
        }
    }
    return credentials;
}

/// The first successor stays: who steals a key that was left cannot leave it for another.
Checked<void> Authentication::check_left(const Credential& credential) const {
    const std::string known =
        successions_ == nullptr ? std::string() : successions_->successor_of(credential.id);
    if (known.empty() || known == credential.successor) {
        return {};
    }
    return protocol::invalid_signature(credential.id + " was left for " + known,
        "sign with the id that followed, and prove the earlier one by OpenCloud-Credential");
}

/// What costs least comes first: a stranger's request is dropped before a signature is verified.
Checked<void> Authentication::check_signatures(
    const protocol::Call& call, const Signatures& signatures) {
    const auto& headers = call.head.headers;
    const std::string_view host = headers.find("Host").value_or(std::string_view());
    const bool own = !settings_.authority.empty() &&
                     protocol::normalized_authority(host, settings_.scheme) ==
                         protocol::normalized_authority(settings_.authority, settings_.scheme);
    for (const RequestSignature& signature : signatures) {
        if (auto checked = protocol::check_times(signature, clock_.unix_seconds()); !checked) {
            return checked;
        }
        auto checked = protocol::check_coverage(
            signature, headers, {.has_body = has_body(call), .own_authority = own});
        if (!checked) {
            return checked;
        }
    }
    if (has_body(call)) {
        const auto field = headers.find("Content-Digest");
        if (!field || !protocol::parse_content_digest(*field)) {
            return protocol::invalid_signature("a signed body needs Content-Digest with sha-256");
        }
    }
    if (auto checked = check_nonces(signatures); !checked) {
        return checked;
    }
    const protocol::SignableMessage message{.method = call.head.method,
        .target = call.head.target,
        .scheme = settings_.scheme,
        .authority = host,
        .status = {},
        .headers = &headers};
    for (const RequestSignature& signature : signatures) {
        if (auto checked = protocol::check_signature(signature, message); !checked) {
            return checked;
        }
    }
    return {};
}

Checked<void> Authentication::check_nonces(const Signatures& signatures) {
    using Verdict = protocol::Nonces::Verdict;
    std::string why;
    for (const RequestSignature& signature : signatures) {
        const Verdict verdict = nonces_.check(signature.id, signature.nonce);
        if (verdict == Verdict::good) {
            continue;
        }
        why = signature.nonce.empty()       ? "the request needs a nonce of this node"
              : verdict == Verdict::used    ? "the nonce was used before"
              : verdict == Verdict::expired ? "the nonce has expired"
                                            : "the nonce was not issued to this id by this run of "
                                              "this node";
    }
    if (why.empty()) {
        return {};
    }
    auto refusal = protocol::refuse(401, Status::refresh_nonce, std::move(why),
        "sign again with the nonce of this answer's OpenCloud-Nonce");
    std::string nonces;
    std::string accepted;
    for (const RequestSignature& signature : signatures) {
        const std::string nonce = nonces_.issue(signature.id);
        nonces += (nonces.empty() ? "" : ", ") + nonce_member(signature.id, nonce);
        accepted += (accepted.empty() ? "" : ", ") + protocol::accept_signature(signature, nonce);
    }
    refusal.error().headers.emplace_back("OpenCloud-Nonce", std::move(nonces));
    refusal.error().headers.emplace_back("Accept-Signature", std::move(accepted));
    return refusal;
}

Checked<void> Authentication::add_claims(const protocol::Call& call,
    const Signatures& signatures,
    std::vector<Credential>& credentials) const {
    const auto fields = call.head.headers.all("OpenCloud-Credential");
    std::string joined;
    for (const std::string_view field : fields) {
        joined += (joined.empty() ? "" : ", ") + std::string(field);
    }
    const auto claims = protocol::parse_credential_claims(joined);
    if (!claims) {
        return protocol::invalid_signature(claims.error().detail());
    }
    std::vector<std::string> signers;
    for (const RequestSignature& signature : signatures) {
        signers.push_back(signature.id);
    }
    std::vector<std::string> earlier;
    for (const protocol::CredentialClaim& claim : *claims) {
        if (claim.expires < clock_.unix_seconds()) {
            return protocol::invalid_signature(
                "the proof of " + claim.id + " has expired", "sign a new one");
        }
        const auto verifier = std::ranges::find_if(
            verifiers_, [&](const auto& each) { return each->recognizes(claim.id); });
        if (verifier == verifiers_.end()) {
            return protocol::invalid_signature(
                "this node knows no credential of the kind of " + claim.id);
        }
        auto found = (*verifier)->verify(
            claim, {.signers = signers, .earlier = earlier, .audience = settings_.audience});
        if (!found) {
            return protocol::invalid_signature(found.error().detail());
        }
        if (!found->successor.empty()) {
            earlier.push_back(found->id);
        }
        credentials.push_back(std::move(*found));
    }
    return {};
}

std::string Authentication::fresh_nonces(const std::vector<Credential>& credentials) {
    std::string out;
    for (const Credential& credential : credentials) {
        if (credential.kind == kOpenCloudKind && credential.successor.empty()) {
            out += (out.empty() ? "" : ", ") +
                   nonce_member(credential.id, nonces_.issue(credential.id));
        }
    }
    return out;
}

}  // namespace decloud::pipeline
