#include "alias_binding.hpp"

#include "typed_data.hpp"

#include <gtest/gtest.h>

namespace decloud::identity {
namespace {

const Domain kDomain{.chain_id = 31337, .escrow = Address{{0x11}}};

Signed<AliasBinding> signed_binding() {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    return sign(AliasBinding{.owner = key.address(),
                    .alias = "shop",
                    .gateway = "gateway.example",
                    .cid = "bafy",
                    .version = 3},
        kDomain, key)
        .value();
}

TEST(AliasBinding, HoldsAsItWasSigned) {
    const auto statement = signed_binding();
    EXPECT_TRUE(verify(statement, kDomain));
    for (const auto change : {+[](AliasBinding& b) { b.alias = "shop2"; },
             +[](AliasBinding& b) { b.gateway = "other.example"; },
             +[](AliasBinding& b) { b.cid = "bafz"; }, +[](AliasBinding& b) { b.version = 4; }}) {
        auto other = statement;
        change(other.fields);
        EXPECT_FALSE(verify(other, kDomain));
    }
    EXPECT_FALSE(verify(statement, {.chain_id = 1, .escrow = kDomain.escrow}));
}

TEST(AliasBinding, TravelsAsJson) {
    const auto statement = signed_binding();
    const std::string text = json::canonical(to_json(statement)).value();
    EXPECT_EQ(parse_alias_binding(text).value(), statement);
    EXPECT_TRUE(typed_data(statement.fields, kDomain).contains("message"));
}

TEST(AliasBinding, RefusesWhatIsNoBinding) {
    const json::Object good = to_json(signed_binding());
    for (const char* member : {"owner", "alias", "gateway", "cid", "version", "signature"}) {
        json::Object bad = good;
        bad[member] = json::Array{};
        EXPECT_FALSE(parse_alias_binding(json::to_text(bad))) << member;
        bad.erase(member);
        EXPECT_FALSE(parse_alias_binding(json::to_text(bad))) << member;
    }
    json::Object more = good;
    more["more"] = 1;
    EXPECT_FALSE(parse_alias_binding(json::to_text(more)));
    EXPECT_FALSE(parse_alias_binding("[]"));
    EXPECT_FALSE(parse_alias_binding(std::string(5000, ' ') + json::to_text(good)));
}

}  // namespace
}  // namespace decloud::identity
