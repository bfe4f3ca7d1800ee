#include "succession.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>

#include <algorithm>

namespace decloud::protocol {

namespace {

class SuccessionCredentials final : public CredentialVerifier {
  public:
    [[nodiscard]] std::string_view kind() const override { return "opencloud"; }
    [[nodiscard]] bool recognizes(std::string_view id) const override {
        return id.starts_with("did:key:");
    }
    [[nodiscard]] Result<Credential> verify(
        const CredentialClaim& claim, const Vouched& vouched) const override {
        const auto is_by = [&claim](const std::string& id) { return id == claim.by; };
        if (!std::ranges::any_of(vouched.signers, is_by) &&
            !std::ranges::any_of(vouched.earlier, is_by)) {
            return fail(CommonError::invalid_input,
                claim.id + " was left for \"" + claim.by + "\", which has not signed");
        }
        const auto is_known = [&claim](const std::string& id) { return id == claim.id; };
        if (std::ranges::any_of(vouched.signers, is_known) ||
            std::ranges::any_of(vouched.earlier, is_known)) {
            return fail(CommonError::invalid_input, claim.id + " is there twice");
        }
        TRY(const identity::DidKey key, identity::parse_did_key(claim.id));
        TRY(const Bytes proof, from_base64(claim.proof));
        if (!identity::verify(key, as_bytes(succession_text(claim)), proof)) {
            return fail(CommonError::invalid_input, claim.id + " has not signed its proof");
        }
        return Credential{.kind = "opencloud", .id = claim.id, .successor = claim.by};
    }
};

}  // namespace

std::string succession_text(const CredentialClaim& claim) {
    return "OpenCloud-Succession-v1|" + claim.by + "|" + claim.id + "|" +
           std::to_string(claim.expires.value);
}

std::unique_ptr<CredentialVerifier> make_succession_credentials() {
    return std::make_unique<SuccessionCredentials>();
}

std::string format_credential_claims(const std::vector<CredentialClaim>& claims) {
    std::string out;
    for (const CredentialClaim& claim : claims) {
        out += (out.empty() ? "\"" : ", \"") + claim.id + '"';
        out += claim.by.empty() ? std::string() : ";by=\"" + claim.by + '"';
        out += ";exp=" + std::to_string(claim.expires.value) + ";proof=\"" + claim.proof + '"';
    }
    return out;
}

}  // namespace decloud::protocol
