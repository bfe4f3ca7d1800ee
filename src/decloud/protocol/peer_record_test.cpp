#include "peer_record.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>

#include <gtest/gtest.h>

#include <string>

namespace decloud::protocol {
namespace {

constexpr UnixSeconds kNow{1'800'000'000};

net::Url url(std::string_view text) { return *net::parse_url(text); }

PeerRecord example() {
    return {.id = {},
        .name = "alice.decloud",
        .addresses = {url("https://alice.example"), url("http://192.0.2.1:8402")},
        .services = {"compute", "content"},
        .issued = kNow,
        .expires = {kNow.value + 3600}};
}

std::string signed_parts(
    const crypto::Ed25519PrivateKey& key, const std::string& header, const std::string& claims) {
    std::string text = to_base64url(to_bytes(header)) + "." + to_base64url(to_bytes(claims));
    return text + "." + to_base64url(key.sign(to_bytes(text)).view());
}

TEST(PeerRecord, IsReadAsItWasSigned) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    const auto signed_record = sign_peer_record(example(), key);
    ASSERT_TRUE(signed_record) << signed_record.error().message();
    const auto read = parse_peer_record(signed_record->text, {kNow.value + 60});
    ASSERT_TRUE(read);
    EXPECT_EQ(read->id, identity::to_did_key(key.public_key()));
    EXPECT_EQ(read->name, "alice.decloud");
    EXPECT_EQ(read->addresses, example().addresses);
    EXPECT_EQ(read->services, example().services);
    EXPECT_TRUE(read->is_at(url("https://alice.example:443/")));
    EXPECT_FALSE(read->is_at(url("http://alice.example")));
}

TEST(PeerRecord, NoByteOfItCanBeChanged) {
    const auto record = sign_peer_record(example(), crypto::Ed25519PrivateKey::generate());
    ASSERT_TRUE(record);
    for (std::size_t at = 0; at < record->text.size(); ++at) {
        std::string text = record->text;
        text[at] = text[at] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(parse_peer_record(text, kNow)) << at;
    }
}

TEST(PeerRecord, HoldsOnlyInItsTime) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    const auto record = sign_peer_record(example(), key);
    ASSERT_TRUE(record);
    EXPECT_TRUE(parse_peer_record(record->text, {kNow.value - 30}));
    EXPECT_FALSE(parse_peer_record(record->text, {kNow.value - 31}));
    EXPECT_TRUE(parse_peer_record(record->text, {kNow.value + 3629}));
    EXPECT_FALSE(parse_peer_record(record->text, {kNow.value + 3630}));
    PeerRecord long_lived = example();
    long_lived.expires = {kNow.value + kLongestPeerRecordSeconds + 1};
    EXPECT_FALSE(sign_peer_record(long_lived, key));
}

TEST(PeerRecord, RefusesAddressesThatCannotBeAskedAndTooMuchOfAnything) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    PeerRecord none = example();
    none.addresses.clear();
    EXPECT_FALSE(sign_peer_record(none, key));
    PeerRecord socket = example();
    socket.addresses = {url("unix:/run/x")};
    EXPECT_FALSE(sign_peer_record(socket, key));
    PeerRecord path = example();
    path.addresses = {url("https://alice.example/a")};
    EXPECT_FALSE(sign_peer_record(path, key));
    PeerRecord many = example();
    many.addresses.assign(9, url("https://alice.example"));
    EXPECT_FALSE(sign_peer_record(many, key));
    PeerRecord offers = example();
    offers.services.assign(65, "compute");
    EXPECT_FALSE(sign_peer_record(offers, key));
    PeerRecord big = example();
    big.services.assign(60, std::string(100, 'x'));
    EXPECT_FALSE(sign_peer_record(big, key));
}

TEST(PeerRecord, IsOfItsOwnTypeAndKey) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    const std::string id = identity::to_did_key(key.public_key());
    const auto claims = [](const std::string& own) {
        return R"({"id":")" + own +
               R"(","name":"","addresses":["https://a.example"],"services":[],)"
               R"("issued":1800000000,"expires":1800003600})";
    };
    const auto header = [&](const std::string& alg, const std::string& typ) {
        return R"({"alg":")" + alg + R"(","kid":")" + id + R"(","typ":")" + typ + R"("})";
    };
    const std::string good = header("EdDSA", "opencloud-peer+jwt");
    EXPECT_TRUE(parse_peer_record(signed_parts(key, good, claims(id)), kNow));
    const std::string other =
        identity::to_did_key(crypto::Ed25519PrivateKey::generate().public_key());
    EXPECT_FALSE(parse_peer_record(signed_parts(key, good, claims(other)), kNow));
    EXPECT_FALSE(parse_peer_record(signed_parts(key, header("EdDSA", "JWT"), claims(id)), kNow));
    EXPECT_FALSE(parse_peer_record(
        signed_parts(key, header("none", "opencloud-peer+jwt"), claims(id)), kNow));
    EXPECT_FALSE(parse_peer_record(signed_parts(key, good, "[]"), kNow));
    EXPECT_FALSE(parse_peer_record("a.b", kNow));
    EXPECT_FALSE(parse_peer_record("", kNow));
}

}  // namespace
}  // namespace decloud::protocol
