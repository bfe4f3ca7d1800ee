#include "credential_claims.hpp"

#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <algorithm>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxClaims = 8;
constexpr std::size_t kMaxTextBytes = 512;

class EthereumCredentials final : public CredentialVerifier {
  public:
    [[nodiscard]] std::string_view kind() const override { return "ethereum"; }
    [[nodiscard]] bool recognizes(std::string_view id) const override {
        return id.starts_with("0x");
    }
    [[nodiscard]] Result<Credential> verify(
        const CredentialClaim& claim, const Vouched& vouched) const override {
        TRY(const Address account, parse_address(claim.id));
        TRY(const Bytes proof, from_hex(claim.proof));
        for (const std::string& did : vouched.signers) {
            const std::string text = credential_text(did, claim, vouched.audience);
            const auto signer = crypto::recover(personal_message_digest(text), proof);
            if (signer && *signer == account) {
                return Credential{.kind = "ethereum", .id = to_string(account)};
            }
        }
        return fail(CommonError::invalid_input, claim.id + " has not signed its proof");
    }
};

Result<CredentialClaim> read_claim(const Member& member) {
    const auto* item = std::get_if<Item>(&member);
    const auto* id = item == nullptr ? nullptr : std::get_if<std::string>(&item->value);
    if (id == nullptr) {
        return fail(CommonError::invalid_input, "OpenCloud-Credential is a list of strings");
    }
    const auto* expires = find_parameter<std::int64_t>(item->parameters, "exp");
    const auto* proof = find_parameter<std::string>(item->parameters, "proof");
    if (expires == nullptr || *expires <= 0 || proof == nullptr) {
        return fail(
            CommonError::invalid_input, "OpenCloud-Credential: each needs exp=… and proof=\"…\"");
    }
    const auto* by = find_parameter<std::string>(item->parameters, "by");
    if (std::max({id->size(), proof->size(), by == nullptr ? 0 : by->size()}) > kMaxTextBytes) {
        return fail(CommonError::invalid_input, "OpenCloud-Credential: an id or proof is too long");
    }
    return CredentialClaim{.id = *id,
        .expires = {static_cast<std::uint64_t>(*expires)},
        .proof = *proof,
        .by = by == nullptr ? std::string() : *by};
}

}  // namespace

std::string credential_text(
    std::string_view did, const CredentialClaim& claim, std::string_view audience) {
    std::string text = "OpenCloud-Credential-v1|";
    text.append(did).append("|").append(claim.id).append("|");
    text.append(std::to_string(claim.expires.value)).append("|").append(audience);
    return text;
}

std::unique_ptr<CredentialVerifier> make_ethereum_credentials() {
    return std::make_unique<EthereumCredentials>();
}

Bytes32 personal_message_digest(std::string_view text) {
    return crypto::keccak256(
        "\x19"
        "Ethereum Signed Message:\n" +
        std::to_string(text.size()) + std::string(text));
}

Result<std::vector<CredentialClaim>> parse_credential_claims(std::string_view field) {
    TRY(const List members, parse_list(field));
    if (members.size() > kMaxClaims) {
        return fail(CommonError::invalid_input, "OpenCloud-Credential: at most 8 are read");
    }
    std::vector<CredentialClaim> claims;
    for (const Member& member : members) {
        TRY(CredentialClaim claim, read_claim(member));
        claims.push_back(std::move(claim));
    }
    return claims;
}

}  // namespace decloud::protocol
