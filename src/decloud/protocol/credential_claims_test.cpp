#include "credential_claims.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

constexpr const char* kDid = "did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG";
constexpr const char* kAudience = "eip155:31337:0x0000000000000000000000000000000000000001";

TEST(Credential, APersonalMessageIsHashedAsEip191Says) {
    // As ethers' hashMessage gives it.
    EXPECT_EQ(to_string(personal_message_digest("Hello World")),
        "0xa1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2");
}

TEST(Credential, AnAccountVouchesForOneIdAtOneAudienceUntilItsEnd) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto verifier = make_ethereum_credentials();
    CredentialClaim claim{.id = to_string(key.address()), .expires = {2'000'000'000}, .proof = {}};
    const std::string text = credential_text(kDid, claim, kAudience);
    EXPECT_EQ(text, std::string("OpenCloud-Credential-v1|") + kDid + "|" + claim.id +
                        "|2000000000|" + kAudience);
    claim.proof = "0x" + to_hex(key.sign(personal_message_digest(text)).view());
    ASSERT_TRUE(verifier->recognizes(claim.id));
    const auto verify = [&verifier](const CredentialClaim& it, std::string did, const char* at) {
        return verifier->verify(it, {.signers = {&did, 1}, .earlier = {}, .audience = at});
    };
    const auto credential = verify(claim, kDid, kAudience);
    ASSERT_TRUE(credential) << credential.error().message();
    EXPECT_EQ(*credential, (Credential{.kind = "ethereum", .id = claim.id}));

    EXPECT_FALSE(verify(claim, "did:key:zOther", kAudience));
    EXPECT_FALSE(verify(claim, kDid, "eip155:1:0x00"));
    CredentialClaim later = claim;
    later.expires.value += 1;
    EXPECT_FALSE(verify(later, kDid, kAudience));
    CredentialClaim stolen = claim;
    stolen.id = to_string(crypto::Secp256k1PrivateKey::generate().address());
    EXPECT_FALSE(verify(stolen, kDid, kAudience));
}

TEST(Credential, ReadsTheHeaderStrictly) {
    const auto claims =
        parse_credential_claims(R"("0xAb";exp=10;proof="0x01", "bc1q";exp=11;proof="smp";new)");
    ASSERT_TRUE(claims) << claims.error().message();
    ASSERT_EQ(claims->size(), 2U);
    EXPECT_EQ(claims->at(0).id, "0xAb");
    EXPECT_EQ(claims->at(1).expires, UnixSeconds{11});
    EXPECT_EQ(claims->at(1).proof, "smp");
    for (const char* text : {"0x;exp=1;proof=\"\"", "\"a\"", "\"a\";exp=1", "\"a\";proof=\"b\"",
             "\"a\";exp=-1;proof=\"b\"", "\"a\";exp=\"1\";proof=\"b\"", "(\"a\")",
             "\"a\";exp=1;proof=:YQ==:"}) {
        EXPECT_FALSE(parse_credential_claims(text)) << text;
    }
    std::string many = "\"a\";exp=1;proof=\"b\"";
    for (int i = 0; i < 8; ++i) {
        many += ", \"a\";exp=1;proof=\"b\"";
    }
    EXPECT_FALSE(parse_credential_claims(many));
}

}  // namespace
}  // namespace decloud::protocol
