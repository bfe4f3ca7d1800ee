#include "jwe.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

namespace decloud::identity {
namespace {

const crypto::RsaPrivateKey& key(std::size_t index) {
    static const auto keys = [] {
        std::vector<crypto::RsaPrivateKey> out;
        for (int i = 0; i < 3; ++i) {
            out.push_back(crypto::RsaPrivateKey::generate(2048));
        }
        return out;
    }();
    return keys.at(index);
}

std::string make(std::string_view plaintext = "a secret spec") {
    const std::vector<crypto::RsaPublicKey> recipients{key(0).public_key(), key(1).public_key()};
    return encrypt_jwe(as_bytes(plaintext), recipients).value();
}

json::Object parsed(std::string_view text) { return json::parse(text).value().as_object(); }

TEST(Jwe, IsReadByEveryRecipientAndNobodyElse) {
    const auto jwe = Jwe::parse(make());
    ASSERT_TRUE(jwe) << jwe.error().message();
    EXPECT_EQ(jwe->decrypt(key(0)), to_bytes(std::string_view("a secret spec")));
    EXPECT_EQ(jwe->decrypt(key(1)), to_bytes(std::string_view("a secret spec")));
    const auto other = jwe->decrypt(key(2));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error(), make_error_code(IdentityError::not_a_recipient));
}

TEST(Jwe, NamesItsRecipientsByThumbprint) {
    EXPECT_EQ(Jwe::parse(make())->key_ids(),
        (std::vector{key(0).public_key().key_id(), key(1).public_key().key_id()}));
}

TEST(Jwe, IsReadWithARetiredKey) {
    std::vector<crypto::RsaPrivateKey> keys;
    keys.push_back(crypto::RsaPrivateKey::generate(2048));
    keys.push_back(crypto::RsaPrivateKey::from_pem(key(1).to_pem().view()).value());
    EXPECT_EQ(Jwe::parse(make())->decrypt(keys), to_bytes(std::string_view("a secret spec")));
    keys.pop_back();
    EXPECT_EQ(
        Jwe::parse(make())->decrypt(keys).error(), make_error_code(IdentityError::not_a_recipient));
}

TEST(Jwe, DiffersEachTimeAndIsCanonical) {
    const std::string text = make();
    EXPECT_NE(text, make());
    EXPECT_EQ(json::canonical(json::parse(text).value()), text);
}

TEST(Jwe, RefusesAnyChange) {
    for (const std::string_view member : {"ciphertext", "tag", "iv"}) {
        json::Object object = parsed(make());
        std::string text(object.at(member).as_string());
        text[2] = text[2] == 'A' ? 'B' : 'A';
        object[member] = text;
        const auto jwe = Jwe::parse(json::to_text(object));
        ASSERT_TRUE(jwe) << jwe.error().message();
        EXPECT_EQ(jwe->decrypt(key(0)).error(), make_error_code(CryptoError::decryption_failed));
    }
    json::Object object = parsed(make());
    object["protected"] = to_base64url(as_bytes(R"({"enc":"A256GCM","x":1})"));
    EXPECT_FALSE(Jwe::parse(json::to_text(object))->decrypt(key(0)));
    object = parsed(make());
    object["aad"] = "";
    EXPECT_FALSE(Jwe::parse(json::to_text(object))->decrypt(key(0)));
}

TEST(Jwe, RefusesWhatItDoesNotKnow) {
    const json::Object good = parsed(make());
    const auto refused = [&](std::string_view member, json::Value value) {
        json::Object changed = good;
        changed[member] = std::move(value);
        return !Jwe::parse(json::to_text(changed));
    };
    const auto header = [](std::string_view text) {
        return json::Value(to_base64url(as_bytes(text)));
    };
    EXPECT_TRUE(refused("protected", header(R"({"enc":"A128GCM"})")));
    EXPECT_TRUE(refused("protected", header(R"({"enc":"A256GCM","zip":"DEF"})")));
    EXPECT_TRUE(refused("protected", header(R"({"enc":"A256GCM","crit":["x"],"x":1})")));
    EXPECT_TRUE(refused("protected", header("[]")));
    EXPECT_TRUE(refused("protected", "!"));
    EXPECT_TRUE(refused("unprotected", json::Object{{"enc", "A256GCM"}}));
    EXPECT_TRUE(refused("recipients", json::Array(65, good.at("recipients").as_array()[0])));
    EXPECT_TRUE(refused("recipients", json::Object{}));
    EXPECT_TRUE(refused("iv", "AAAA"));
    EXPECT_TRUE(refused("tag", ""));
    EXPECT_FALSE(Jwe::parse("{}"));
    EXPECT_FALSE(Jwe::parse("[]"));
    EXPECT_FALSE(Jwe::parse(make(std::string(1000, 'x')), {.max_bytes = 1000}));
}

TEST(Jwe, ReadsTheFlattenedForm) {
    const std::vector<crypto::RsaPublicKey> recipients{key(0).public_key()};
    json::Object object = parsed(encrypt_jwe(as_bytes("text"), recipients).value());
    const json::Object row = object.at("recipients").as_array()[0].as_object();
    object.erase("recipients");
    object["header"] = row.at("header");
    object["encrypted_key"] = row.at("encrypted_key");
    const auto jwe = Jwe::parse(json::to_text(object));
    ASSERT_TRUE(jwe) << jwe.error().message();
    EXPECT_EQ(jwe->decrypt(key(0)), to_bytes(std::string_view("text")));
}

TEST(Jwe, TriesFewOfManyRecipientsThatClaimToBeOneKey) {
    json::Object object = parsed(make());
    const json::Array rows = object.at("recipients").as_array();
    json::Object liar = rows[1].as_object();
    liar["header"] = rows[0].as_object().at("header");
    const auto behind = [&](std::size_t liars) {
        json::Array all(liars, liar);
        all.push_back(rows[0]);
        object["recipients"] = std::move(all);
        return Jwe::parse(json::to_text(object))->decrypt(key(0));
    };
    EXPECT_EQ(behind(7), to_bytes(std::string_view("a secret spec")));
    EXPECT_FALSE(behind(8));
}

TEST(Jwe, NeedsARecipient) { EXPECT_FALSE(encrypt_jwe(as_bytes("text"), {})); }

}  // namespace
}  // namespace decloud::identity
