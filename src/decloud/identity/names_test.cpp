#include "names.hpp"

#include <gtest/gtest.h>

namespace decloud::identity {
namespace {

TEST(Namehash, MatchesEip137) {
    EXPECT_TRUE(namehash("").is_zero());
    EXPECT_EQ(to_string(namehash("eth")),
        "0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae");
    EXPECT_EQ(to_string(namehash("foo.eth")),
        "0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f");
}

struct Case {
    std::string_view text;
    std::string_view full;
    std::string_view short_form;
    std::string_view label;
};

TEST(ProviderName, HasOneFormEach) {
    for (const Case& c : {Case{"alice", "alice.decloud", "alice", "alice"},
             Case{"alice.decloud", "alice.decloud", "alice", "alice"},
             Case{"ALICE.Decloud", "alice.decloud", "alice", "alice"},
             Case{"a-b", "a-b.decloud", "a-b", "a--b"},
             Case{"a--b", "a--b.decloud", "a--b", "a----b"},
             Case{"shop.example.eth", "shop.example.eth", "shop.example.eth", "shop-example-eth"},
             Case{"my-shop.eth", "my-shop.eth", "my-shop.eth", "my--shop-eth"},
             Case{"eu.alice.decloud", "eu.alice.decloud", "eu.alice.decloud", "eu-alice-decloud"},
             Case{"4711", "4711.decloud", "4711", "4711"}}) {
        const auto name = ProviderName::parse(c.text);
        ASSERT_TRUE(name) << c.text << ": " << name.error().message();
        EXPECT_EQ(name->full(), c.full);
        EXPECT_EQ(name->short_form(), c.short_form);
        EXPECT_EQ(name->gateway_label(), c.label);
        EXPECT_EQ(name->node(), namehash(c.full));
        EXPECT_EQ(ProviderName::from_gateway_label(c.label), *name);
    }
}

TEST(ProviderName, RefusesWhatCannotBeOne) {
    for (const std::string_view text : {"", ".", "alice.", ".alice", "a..b", "-alice", "alice-",
             "al ice", "al_ice", "al/ice", "älice", "alice.decloud.", "a.-b.eth"}) {
        const auto name = ProviderName::parse(text);
        ASSERT_FALSE(name) << text;
        EXPECT_EQ(name.error(), make_error_code(IdentityError::invalid_name)) << text;
    }
}

TEST(ProviderName, RefusesReservedLabels) {
    for (const std::string_view text : {"app", "fn", "p", "ipfs", "ipns", "www", "api", "APP",
             "app.decloud", "sub.fn.decloud", "xn--mnchen-3ya", "xn-a", "xn--a.eth"}) {
        const auto name = ProviderName::parse(text);
        ASSERT_FALSE(name) << text;
        EXPECT_EQ(name.error(), make_error_code(IdentityError::reserved_name)) << text;
    }
    EXPECT_TRUE(ProviderName::parse("app.alice.decloud"));
    EXPECT_TRUE(ProviderName::parse("www.eth"));
}

TEST(ProviderName, FitsAHostLabelWhenInlined) {
    EXPECT_TRUE(ProviderName::parse(std::string(63, 'a')));
    EXPECT_FALSE(ProviderName::parse(std::string(64, 'a')));
    EXPECT_TRUE(ProviderName::parse(std::string(60, 'a') + "-b"));
    EXPECT_FALSE(ProviderName::parse(std::string(61, 'a') + "-b"));
    EXPECT_FALSE(ProviderName::parse(std::string(40, 'a') + "." + std::string(40, 'b') + ".eth"));
}

TEST(ProviderName, RefusesGatewayLabelsThatNoNameGives) {
    for (const std::string_view label : {"", "-", "--", "---", "-alice", "alice-", "--alice",
             "alice--", "a---", "a---b", "a.b", "a-----b"}) {
        EXPECT_FALSE(ProviderName::from_gateway_label(label)) << label;
    }
}

}  // namespace
}  // namespace decloud::identity
