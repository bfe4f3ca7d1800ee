#include "preferences.hpp"

#include "alias_origin.hpp"
#include "named_provider.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::gateway::internal {
namespace {

using net::http::Headers;

protocol::Checked<Preferences> read(std::string_view text) {
    Headers headers;
    headers.add(kPreferHeader, text);
    return read_preferences(headers);
}

TEST(Preferences, AreNoneWithoutTheHeader) {
    const auto none = read_preferences({});
    ASSERT_TRUE(none);
    EXPECT_EQ(none->by, Preference::balanced);
    EXPECT_TRUE(none->allow({.name = "alice.decloud", .price = 1'000'000}));
}

TEST(Preferences, SayWhatCountsAndWhoMayServe) {
    const auto all = read("by=price, not=(\"bob\"), max-price=1000");
    ASSERT_TRUE(all);
    EXPECT_EQ(all->by, Preference::price);
    EXPECT_TRUE(all->allow({.name = "alice.decloud", .price = 1000}));
    EXPECT_FALSE(all->allow({.name = "alice.decloud", .price = 1001}));
    EXPECT_FALSE(all->allow({.name = "bob.decloud"}));
    const auto only = read("only=(\"bob\" \"shop.example.eth\")");
    ASSERT_TRUE(only);
    EXPECT_TRUE(only->allow({.name = "shop.example.eth"}));
    EXPECT_FALSE(only->allow({.name = "alice.decloud"}));
    EXPECT_EQ(read("by=latency")->by, Preference::latency);
    EXPECT_EQ(read("by=reputation")->by, Preference::reputation);
}

TEST(Preferences, AreRefusedIfTheyCannotBeUnderstood) {
    for (const std::string bad :
        {"by", "by=luck", "by=\"price\"", "only=\"bob\"", "only=()", "not=(bob)", "not=(\"b b\")",
            "max-price=-1", "max-price=1.5", "max-price=\"1\"", "faster", "=", "a=b=c"}) {
        const auto refused = read(bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().http_status, 400) << bad;
    }
}

const std::string kAddress = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

TEST(NamedProvider, IsTakenFromTheAudience) {
    Headers headers;
    EXPECT_EQ(named_provider(headers).value(), std::nullopt);
    EXPECT_FALSE(is_bound(headers));
    headers.add("OpenCloud-Audience", "eip155:31337:" + kAddress);
    EXPECT_EQ(to_string(**named_provider(headers)), kAddress);
    EXPECT_TRUE(is_bound(headers));
    headers.add("OpenCloud-Audience", "eip155:31337:" + kAddress);
    EXPECT_FALSE(named_provider(headers)) << "twice";
    for (const std::string bad : {"alice", "eip155:1:alice", "eip155:", ""}) {
        Headers wrong;
        wrong.add("OpenCloud-Audience", bad);
        EXPECT_FALSE(named_provider(wrong)) << bad;
    }
}

TEST(NamedProvider, IsTakenFromWhomAnX402PaymentPays) {
    const std::string payment =
        R"({"x402Version":1,"payload":{"authorization":{"to":")" + kAddress + R"("}}})";
    for (const std::string name : {"X-PAYMENT", "PAYMENT-SIGNATURE"}) {
        Headers headers;
        headers.add(name, to_base64(as_bytes(payment)));
        EXPECT_EQ(to_string(**named_provider(headers)), kAddress);
        EXPECT_TRUE(is_bound(headers));
        headers.add("OpenCloud-Audience", "eip155:1:0x0000000000000000000000000000000000000001");
        EXPECT_FALSE(named_provider(headers)) << "two of them";
    }
}

TEST(NamedProvider, MustBeNamedByAPayment) {
    for (const std::string bad : {"", "x", "e30=", "W10="}) {
        Headers headers;
        headers.add("X-PAYMENT", bad);
        EXPECT_FALSE(named_provider(headers)) << bad;
    }
    Headers window;
    window.add("OpenCloud-Payment", "attached;method=\"window\";payload=:e30=:");
    EXPECT_EQ(named_provider(window).error().http_status, 400);
    window.add("OpenCloud-Audience", "eip155:31337:" + kAddress);
    EXPECT_EQ(to_string(**named_provider(window)), kAddress);
}

TEST(AliasOrigin, IsTheFunctionsOwn) {
    Headers headers{{"Set-Cookie", "a=1; Path=/bafy"}, {"Set-Cookie", "b=1; Secure; Path=/bafy/x"},
        {"Set-Cookie", "c=1; Path=/bafyx"}, {"Content-Security-Policy", "default-src 'self'"},
        {"Content-Security-Policy", "sandbox allow-scripts allow-forms"},
        {"Location", "/bafy/next?x"}};
    give_origin(headers, "/bafy");
    EXPECT_EQ(headers.all("Set-Cookie"),
        (std::vector<std::string_view>{"a=1; Path=/", "b=1; Secure; Path=/x", "c=1; Path=/bafyx"}));
    EXPECT_EQ(headers.all("Content-Security-Policy"),
        (std::vector<std::string_view>{"default-src 'self'"}));
    EXPECT_EQ(headers.find("Location"), "/next?x");
}

TEST(AliasOrigin, LeavesOtherPlacesAlone) {
    for (const std::string place : {"/bafyx", "https://example.org/bafy", "/", "next"}) {
        Headers headers{{"Location", place}};
        give_origin(headers, "/bafy");
        EXPECT_EQ(headers.find("Location"), place);
    }
}

}  // namespace
}  // namespace decloud::gateway::internal
