#include "succession.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/identity/did_key.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

CredentialClaim left_for(const crypto::Ed25519PrivateKey& earlier, const std::string& by) {
    CredentialClaim claim{.id = identity::to_did_key(earlier.public_key()),
        .expires = {2'000'000'000},
        .proof = {},
        .by = by};
    claim.proof = to_base64(earlier.sign(as_bytes(succession_text(claim))).view());
    return claim;
}

TEST(Succession, IsTheEarlierIdsWordForTheOneThatSigns) {
    const auto first = crypto::Ed25519PrivateKey::generate();
    const std::string next =
        identity::to_did_key(crypto::Ed25519PrivateKey::generate().public_key());
    const CredentialClaim claim = left_for(first, next);
    const auto verifier = make_succession_credentials();
    ASSERT_TRUE(verifier->recognizes(claim.id));
    const Vouched vouched{.signers = {&next, 1}, .earlier = {}, .audience = "any"};
    const auto credential = verifier->verify(claim, vouched);
    ASSERT_TRUE(credential) << credential.error().message();
    EXPECT_EQ(*credential, (Credential{.kind = "opencloud", .id = claim.id, .successor = next}));
    CredentialClaim longer = claim;
    longer.expires.value += 1;
    EXPECT_FALSE(verifier->verify(longer, vouched));
    EXPECT_FALSE(verifier->verify(claim, {.signers = {}, .earlier = {}, .audience = "any"}));
}

TEST(Succession, IsWrittenAsItIsRead) {
    const auto first = crypto::Ed25519PrivateKey::generate();
    const CredentialClaim claim = left_for(first, "did:key:zNext");
    CredentialClaim account{.id = "0xab", .expires = {7}, .proof = "0x01"};
    const auto read = parse_credential_claims(format_credential_claims({claim, account}));
    ASSERT_TRUE(read) << read.error().message();
    ASSERT_EQ(read->size(), 2U);
    EXPECT_EQ(read->at(0).by, "did:key:zNext");
    EXPECT_EQ(read->at(0).proof, claim.proof);
    EXPECT_EQ(read->at(1).by, "");
    EXPECT_EQ(read->at(1).expires, account.expires);
}

}  // namespace
}  // namespace decloud::protocol
