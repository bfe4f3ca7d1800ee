#include "did_key.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::identity {
namespace {

TEST(DidKey, WritesEd25519KeysAsTheSpecificationDoes) {
    // RFC 9421's test-key-ed25519, as in reference/identity-reputation.md §6.
    const auto key = crypto::Ed25519PublicKey::from(
        *from_base64url("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"));
    ASSERT_TRUE(key);
    const std::string text = to_did_key(*key);
    EXPECT_EQ(text, "did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG");
    EXPECT_EQ(parse_did_key(text), DidKey(*key));
}

TEST(DidKey, ReadsP256Keys) {
    // The did:key specification's example for P-256.
    constexpr std::string_view kText = "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169";
    const auto key = parse_did_key(kText);
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_TRUE(std::holds_alternative<crypto::P256PublicKey>(*key));
    EXPECT_EQ(to_did_key(*key), kText);
}

TEST(DidKey, VerifiesWithTheKeyItIs) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    const auto signature = key.sign(as_bytes("statement"));
    EXPECT_TRUE(verify(DidKey(key.public_key()), as_bytes("statement"), signature.view()));
    EXPECT_FALSE(verify(DidKey(key.public_key()), as_bytes("another"), signature.view()));
}

TEST(DidKey, RefusesWhatIsNone) {
    for (const std::string_view text : {"", "did:key:", "did:key:z", "did:web:example.org",
             "did:key:f6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG",
             "did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xH",
             "did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG0",
             "did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHGl",
             // secp256k1
             "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"}) {
        EXPECT_FALSE(parse_did_key(text)) << text;
    }
    EXPECT_FALSE(parse_did_key("did:key:z" + std::string(100'000, '1')));
}

}  // namespace
}  // namespace decloud::identity
