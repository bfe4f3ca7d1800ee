#include "signed_structs.hpp"

#include "typed_data.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace decloud::identity {
namespace {

json::Array vectors() {
    const char* const source = std::getenv("DECLOUD_SOURCE_DIR");
    if (source == nullptr) {
        throw std::runtime_error("DECLOUD_SOURCE_DIR is not set: run by ctest");
    }
    std::ifstream file(std::string(source) + "/tests/vectors/eip712/vectors.json");
    std::stringstream text;
    text << file.rdbuf();
    return json::parse(text.str()).value().as_array();
}

Domain domain_of(const json::Object& vector) {
    const json::Object& domain = vector.at("domain").as_object();
    return {.chain_id = *json::uint_member(domain, "chainId"),
        .escrow = *parse_address(domain.at("escrow").as_string())};
}

// Returns whether the vector was of this struct.
template <class Struct>
bool check(const json::Object& vector, std::string_view type) {
    if (vector.at("struct").as_string() != type) {
        return false;
    }
    const Domain domain = domain_of(vector);
    const json::Object& object = vector.at("statement").as_object();
    const auto statement = from_json<Struct>(object);
    EXPECT_TRUE(statement) << statement.error().message();
    if (statement) {
        EXPECT_EQ(to_string(digest(statement->fields, domain)), vector.at("digest").as_string());
        const auto verified = verify(*statement, domain);
        EXPECT_TRUE(verified) << verified.error().message();
        EXPECT_EQ(json::canonical(to_json(*statement)), json::canonical(object).value());
    }
    return true;
}

TEST(SignedStructs, AgreeWithViem) {
    int checked = 0;
    for (const json::Value& value : vectors()) {
        const json::Object& vector = value.as_object();
        checked += check<Deployment>(vector, "Deployment") +
                   check<CallAuthorization>(vector, "CallAuthorization") +
                   check<Delegation>(vector, "Delegation") +
                   check<Revocation>(vector, "Revocation");
    }
    EXPECT_EQ(checked, 16);
}

const Domain kDomain{.chain_id = 31337, .escrow = Address{{1, 2, 3}}};

CallAuthorization authorization_of(const crypto::Secp256k1PrivateKey& key) {
    return {.payer = key.address(),
        .provider = Address{{9}},
        .request_digest = Bytes32{{7}},
        .max_price = 1000,
        .nonce = Bytes32{{5}},
        .valid_before = 1'700'000'000};
}

TEST(SignedStructs, VerifyOnlyUnderTheirDomain) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto statement = sign(authorization_of(key), kDomain, key);
    ASSERT_TRUE(statement);
    EXPECT_TRUE(verify(*statement, kDomain));
    Domain other = kDomain;
    other.chain_id = 1;
    EXPECT_FALSE(verify(*statement, other));
    other = kDomain;
    other.escrow.bytes[19] = 1;
    EXPECT_FALSE(verify(*statement, other));
}

TEST(SignedStructs, RefuseEveryChangedField) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto good = *sign(authorization_of(key), kDomain, key);
    const auto refused = [&](auto change) {
        auto changed = good;
        change(changed.fields);
        const auto result = verify(changed, kDomain);
        return !result && result.error() == make_error_code(IdentityError::bad_signature);
    };
    EXPECT_TRUE(refused([](CallAuthorization& a) { a.payer.bytes[0] ^= 1U; }));
    EXPECT_TRUE(refused([](CallAuthorization& a) { a.provider.bytes[0] ^= 1U; }));
    EXPECT_TRUE(refused([](CallAuthorization& a) { a.request_digest.bytes[0] ^= 1U; }));
    EXPECT_TRUE(refused([](CallAuthorization& a) { a.max_price += 1; }));
    EXPECT_TRUE(refused([](CallAuthorization& a) { a.nonce.bytes[31] ^= 1U; }));
    EXPECT_TRUE(refused([](CallAuthorization& a) { a.valid_before += 1; }));
    EXPECT_FALSE(refused([](CallAuthorization&) {}));
}

TEST(SignedStructs, AreNotSignedByAnotherKey) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto result =
        sign(authorization_of(crypto::Secp256k1PrivateKey::generate()), kDomain, key);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), make_error_code(IdentityError::bad_signature));
}

TEST(SignedStructs, TakeIntegersAsNumbersAndAsDecimalStrings) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto statement = *sign(authorization_of(key), kDomain, key);
    json::Object object = to_json(statement);
    object["maxPrice"] = "1000";
    EXPECT_EQ(from_json<CallAuthorization>(object), statement);
}

TEST(SignedStructs, RefuseJsonOfAnotherShape) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const json::Object good = to_json(*sign(authorization_of(key), kDomain, key));
    const auto refused = [&](std::string_view name, json::Value value) {
        json::Object changed = good;
        changed[name] = std::move(value);
        const auto result = from_json<CallAuthorization>(changed);
        return !result && result.error() == make_error_code(CommonError::invalid_input);
    };
    EXPECT_TRUE(refused("maxPrice", -1));
    EXPECT_TRUE(refused("maxPrice", 1.5));
    EXPECT_TRUE(refused("maxPrice", "0x10"));
    EXPECT_TRUE(refused("maxPrice", "340282366920938463463374607431768211456"));
    EXPECT_TRUE(refused("validBefore", "18446744073709551616"));
    EXPECT_TRUE(refused("payer", "0x12"));
    EXPECT_TRUE(refused("payer", 12));
    EXPECT_TRUE(refused("signature", "0x00"));
    EXPECT_TRUE(refused("unsigned", true));
    json::Object missing = good;
    missing.erase("nonce");
    EXPECT_FALSE(from_json<CallAuthorization>(missing));
    EXPECT_FALSE(parse_signed<CallAuthorization>("[]"));
    EXPECT_TRUE(parse_signed<CallAuthorization>(json::to_text(good)));
}

TEST(TypedData, SaysWhatIsSignedAsWalletsReadIt) {
    const Revocation fields{.spec_hash = {}, .owner = {}, .created = 7};
    const std::string zeros(40, '0');
    EXPECT_EQ(json::to_text(typed_data(fields, kDomain)),
        R"({"types":{"EIP712Domain":[{"name":"name","type":"string"},)"
        R"({"name":"version","type":"string"},{"name":"chainId","type":"uint256"},)"
        R"({"name":"verifyingContract","type":"address"}],"Revocation":[)"
        R"({"name":"specHash","type":"bytes32"},{"name":"owner","type":"address"},)"
        R"({"name":"created","type":"uint64"}]},"primaryType":"Revocation",)"
        R"("domain":{"name":"decloud","version":"1","chainId":)" +
            std::to_string(kDomain.chain_id) + R"(,"verifyingContract":")" +
            to_string(kDomain.escrow) + R"("},"message":{"specHash":"0x)" + std::string(64, '0') +
            R"(","owner":"0x)" + zeros + R"(","created":7}})");
}

}  // namespace
}  // namespace decloud::identity
