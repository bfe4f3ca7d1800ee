#include "authentication.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/protocol/request_digest.hpp>
#include <decloud/protocol/succession.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

namespace decloud::pipeline {
namespace {

using protocol::Call;
using protocol::Status;

constexpr const char* kAudience = "eip155:31337:0x00000000000000000000000000000000000000aa";
constexpr std::uint64_t kNow = 1'800'000'000;

class AuthenticationTest : public ::testing::Test {
  protected:
    AuthenticationTest() {
        authentication_.add_verifier(protocol::make_ethereum_credentials());
        authentication_.add_verifier(protocol::make_succession_credentials());
    }

    static Call unsigned_call(std::string_view body = "hello") {
        Call call;
        call.head.method = "POST";
        call.head.target = "/oc/v1/sha256/hash?arg=1";
        call.head.headers.add("Host", "node.example");
        call.head.headers.add("OpenCloud-Audience", kAudience);
        call.head.headers.add(
            "Content-Digest", protocol::format_content_digest(crypto::sha256(body)));
        call.content_length = body.size();
        return call;
    }

    /// Adds a signature over everything that has to be covered.
    void sign(Call& call, std::string_view nonce, const crypto::Ed25519PrivateKey& key) const {
        protocol::InnerList input;
        for (const char* name :
            {"@method", "@path", "@query", "content-digest", "opencloud-audience"}) {
            input.items.push_back({.value = std::string(name)});
        }
        for (const auto field : call.head.headers) {
            if (field.name == "OpenCloud-Credential") {
                input.items.push_back({.value = std::string("opencloud-credential")});
            }
        }
        input.parameters = {{"created", static_cast<std::int64_t>(kNow)},
            {"keyid", identity::to_did_key(key.public_key())}, {"nonce", std::string(nonce)}};
        const protocol::SignableMessage message{.method = call.head.method,
            .target = call.head.target,
            .scheme = "https",
            .authority = "node.example",
            .status = {},
            .headers = &call.head.headers};
        const auto base = protocol::signature_base(message, input).value();
        const std::string label = "s" + std::to_string(call.head.headers.count("Signature"));
        call.head.headers.add(
            "Signature-Input", label + "=" + protocol::serialize_inner_list(input).value());
        call.head.headers.add(
            "Signature", label + "=:" + to_base64(key.sign(as_bytes(base)).view()) + ":");
    }

    /// The nonce that an answer offers to `key`.
    static std::string nonce_for(std::string_view field, const crypto::Ed25519PrivateKey& key) {
        for (const auto& member : protocol::parse_list(field).value()) {
            const auto& item = std::get<protocol::Item>(member);
            if (item.string_parameter("keyid") == identity::to_did_key(key.public_key())) {
                return std::get<std::string>(item.value);
            }
        }
        return {};
    }

    std::string fresh(const crypto::Ed25519PrivateKey& key) {
        return nonce_for(authentication_.fresh_nonces(
                             {{.kind = "opencloud", .id = identity::to_did_key(key.public_key())}}),
            key);
    }

    ManualClock clock_{UnixSeconds{kNow}};
    Authentication authentication_{
        clock_, {.audience = kAudience, .scheme = "https", .authority = "node.example"}};
    crypto::Ed25519PrivateKey alice_ = crypto::Ed25519PrivateKey::generate();
    crypto::Ed25519PrivateKey bob_ = crypto::Ed25519PrivateKey::generate();
};

TEST_F(AuthenticationTest, PlainRequestsNeedNothing) {
    Call call;
    call.head.headers.add("Host", "anything");
    const auto known = authentication_.check(call);
    ASSERT_TRUE(known);
    EXPECT_TRUE(known->empty());
}

TEST_F(AuthenticationTest, AFirstRequestIsToldItsNonceAndThenKnownOnce) {
    Call first = unsigned_call();
    sign(first, "", alice_);
    const auto refused = authentication_.check(first);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().http_status, 401);
    EXPECT_EQ(refused.error().status, Status::refresh_nonce);
    ASSERT_EQ(refused.error().headers.size(), 2U);
    const std::string nonce = nonce_for(refused.error().headers[0].second, alice_);
    EXPECT_EQ(refused.error().headers[1].first, "Accept-Signature");
    EXPECT_NE(refused.error().headers[1].second.find("nonce=\"" + nonce + "\""), std::string::npos);

    Call second = unsigned_call();
    sign(second, nonce, alice_);
    const auto known = authentication_.check(second);
    ASSERT_TRUE(known) << known.error().detail;
    ASSERT_EQ(known->size(), 1U);
    EXPECT_EQ(known->at(0).kind, "opencloud");
    EXPECT_EQ(known->at(0).id, identity::to_did_key(alice_.public_key()));

    const auto replayed = authentication_.check(second);
    ASSERT_FALSE(replayed);
    EXPECT_EQ(replayed.error().status, Status::refresh_nonce);
}

TEST_F(AuthenticationTest, AForgedSignatureUsesUpNoNonce) {
    const std::string nonce = fresh(alice_);
    Call forged = unsigned_call();
    sign(forged, nonce, alice_);
    forged.head.target = "/oc/v1/sha256/hash?arg=2";
    const auto refused = authentication_.check(forged);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, Status::invalid_signature);
    Call good = unsigned_call();
    sign(good, nonce, alice_);
    EXPECT_TRUE(authentication_.check(good));
}

TEST_F(AuthenticationTest, NoncesOfOtherIdsAndOtherRunsAreRefreshed) {
    Call call = unsigned_call();
    sign(call, fresh(bob_), alice_);
    EXPECT_EQ(authentication_.check(call).error().status, Status::refresh_nonce);
    const std::string nonce = fresh(alice_);
    Call again = unsigned_call();
    sign(again, nonce, alice_);
    Authentication restarted(clock_, {.audience = kAudience});
    EXPECT_EQ(restarted.check(again).error().status, Status::refresh_nonce);
}

TEST_F(AuthenticationTest, SeveralIdsEachSign) {
    Call call = unsigned_call();
    sign(call, fresh(alice_), alice_);
    sign(call, fresh(bob_), bob_);
    const auto known = authentication_.check(call);
    ASSERT_TRUE(known) << known.error().detail;
    ASSERT_EQ(known->size(), 2U);
    EXPECT_EQ(known->at(1).id, identity::to_did_key(bob_.public_key()));
    // One that does not hold spoils all.
    Call half = unsigned_call();
    sign(half, fresh(alice_), alice_);
    sign(half, "forged", bob_);
    EXPECT_FALSE(authentication_.check(half));
}

TEST_F(AuthenticationTest, ARequestForAnotherProviderIsMisdirected) {
    Call call = unsigned_call();
    call.head.headers.set("OpenCloud-Audience", "eip155:1:0x00");
    sign(call, fresh(alice_), alice_);
    EXPECT_EQ(authentication_.check(call).error().http_status, 421);
    Call without = unsigned_call();
    without.head.headers.remove("OpenCloud-Audience");
    EXPECT_TRUE(authentication_.check(without));
}

TEST_F(AuthenticationTest, ABodyHasToBeCoveredBySha256) {
    Call call = unsigned_call();
    call.head.headers.set("Content-Digest", "sha-512=:AA==:");
    sign(call, fresh(alice_), alice_);
    const auto refused = authentication_.check(call);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find("sha-256"), std::string::npos);
}

TEST_F(AuthenticationTest, AnAccountVouchesForTheKeyThatSigns) {
    const auto account = crypto::Secp256k1PrivateKey::generate();
    const std::string did = identity::to_did_key(alice_.public_key());
    protocol::CredentialClaim claim{
        .id = to_string(account.address()), .expires = {kNow + 60}, .proof = {}};
    const auto proof = account.sign(
        protocol::personal_message_digest(protocol::credential_text(did, claim, kAudience)));
    const std::string field = '"' + claim.id + "\";exp=" + std::to_string(claim.expires.value) +
                              ";proof=\"0x" + to_hex(proof.view()) + '"';
    Call call = unsigned_call();
    call.head.headers.add("OpenCloud-Credential", field);
    Call by_bob = call;
    Call nobody = call;
    Call later = call;
    sign(call, fresh(alice_), alice_);
    const auto known = authentication_.check(call);
    ASSERT_TRUE(known) << known.error().detail;
    ASSERT_EQ(known->size(), 2U);
    EXPECT_EQ(known->at(1), (protocol::Credential{.kind = "ethereum", .id = claim.id}));

    sign(by_bob, fresh(bob_), bob_);
    EXPECT_EQ(authentication_.check(by_bob).error().status, Status::invalid_signature);
    EXPECT_EQ(authentication_.check(nobody).error().status, Status::invalid_signature);
    clock_.set({kNow + 30});
    sign(later, fresh(alice_), alice_);
    EXPECT_TRUE(authentication_.check(later));
}

class Remembered final : public Successions {
  public:
    [[nodiscard]] std::string successor_of(std::string_view id) const override {
        const auto found = known_.find(std::string(id));
        return found == known_.end() ? std::string() : found->second;
    }
    void learn(const protocol::Credential& earlier) override {
        known_.emplace(earlier.id, earlier.successor);
    }

  private:
    std::map<std::string, std::string> known_;
};

/// What `earlier` gives for `by`.
std::string left_for(
    const crypto::Ed25519PrivateKey& earlier, const crypto::Ed25519PrivateKey& by) {
    protocol::CredentialClaim claim{.id = identity::to_did_key(earlier.public_key()),
        .expires = {kNow + 1000},
        .proof = {},
        .by = identity::to_did_key(by.public_key())};
    claim.proof = to_base64(earlier.sign(as_bytes(protocol::succession_text(claim))).view());
    return protocol::format_credential_claims({claim});
}

TEST_F(AuthenticationTest, AnIdThatWasLeftSignsNothingAnyMore) {
    Remembered remembered;
    authentication_.set_successions(remembered);
    const std::string alice = identity::to_did_key(alice_.public_key());
    const std::string bob = identity::to_did_key(bob_.public_key());

    Call before = unsigned_call();
    sign(before, fresh(alice_), alice_);
    EXPECT_TRUE(authentication_.check(before));

    Call shown = unsigned_call();
    shown.head.headers.add("OpenCloud-Credential", left_for(alice_, bob_));
    sign(shown, fresh(bob_), bob_);
    const auto known = authentication_.check(shown);
    ASSERT_TRUE(known) << known.error().detail;
    ASSERT_EQ(known->size(), 2U);
    EXPECT_EQ(
        known->at(1), (protocol::Credential{.kind = "opencloud", .id = alice, .successor = bob}));
    EXPECT_EQ(authentication_.fresh_nonces(*known).find(alice), std::string::npos);

    Call after = unsigned_call();
    sign(after, fresh(alice_), alice_);
    const auto refused = authentication_.check(after);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, Status::invalid_signature);
    EXPECT_NE(refused.error().detail.find(bob), std::string::npos);

    const auto thief = crypto::Ed25519PrivateKey::generate();
    Call stolen = unsigned_call();
    stolen.head.headers.add("OpenCloud-Credential", left_for(alice_, thief));
    sign(stolen, fresh(thief), thief);
    EXPECT_FALSE(authentication_.check(stolen));
}

}  // namespace
}  // namespace decloud::pipeline
