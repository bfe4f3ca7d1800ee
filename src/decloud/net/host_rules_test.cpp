#include "host_rules.hpp"

#include <gmock/gmock.h>

namespace decloud::net {
namespace {

HostRules rules(const std::vector<std::string>& texts) { return parse_host_rules(texts).value(); }

TEST(HostRules, AreNamesWithOrWithoutAPort) {
    for (const char* const text : {"api.example.com", "*.example.com", "*", "localhost:8080",
             "*.a-b.xn--p1ai:65535", "*:443", "a_b.example"}) {
        const auto rule = parse_host_rule(text);
        ASSERT_TRUE(rule) << text << rule.error().message();
        EXPECT_EQ(rule->to_string(), text);
    }
    EXPECT_EQ(parse_host_rule("API.Example.COM")->to_string(), "api.example.com");
}

TEST(HostRules, AreNoAddressesAndNothingElse) {
    for (const char* const text :
        {"", ":80", "*.", "*.*.example", "a..b", ".a", "a.", "-a.b", "a-.b", "a b", "a/b", "a:0",
            "a:65536", "a:", "a:080", "a:8o", "1.2.3.4", "127.1", "0x7f.0x1", "1.2.3.4:80", "[::1]",
            "[::1]:80", "::1", "a@b", "https://a.b", "ä.example", "*example.com", "a.*"}) {
        EXPECT_FALSE(parse_host_rule(text)) << text;
    }
    EXPECT_FALSE(parse_host_rule(std::string(64, 'a')));
    EXPECT_FALSE(parse_host_rule("a." + std::string(253, 'b')));
    EXPECT_FALSE(parse_host_rules(std::vector<std::string>(kMaxHostRules + 1, "a.b")));
}

TEST(HostRules, AllowTheirHostsAndPorts) {
    const HostRules some = rules({"api.example.com", "*.example.org:8443"});
    EXPECT_TRUE(allows(some, "api.example.com", 443));
    EXPECT_TRUE(allows(some, "api.example.com", 80));
    EXPECT_FALSE(allows(some, "api.example.com", 8443));
    EXPECT_FALSE(allows(some, "example.com", 443));
    EXPECT_FALSE(allows(some, "x.api.example.com", 443));
    EXPECT_TRUE(allows(some, "a.b.example.org", 8443));
    EXPECT_FALSE(allows(some, "example.org", 8443));
    EXPECT_FALSE(allows(some, "badexample.org", 8443));
    EXPECT_FALSE(allows(some, ".example.org", 8443));
    EXPECT_FALSE(allows({}, "api.example.com", 443));
}

TEST(HostRules, NeverAllowAddresses) {
    const HostRules all = rules({"*", "*:8080"});
    EXPECT_TRUE(allows(all, "localhost", 8080));
    for (const char* const address :
        {"127.0.0.1", "::1", "[::1]", "0x7f.1", "2130706433", "169.254.169.254", "1.2.3.4."}) {
        EXPECT_FALSE(allows(all, address, 80)) << address;
    }
}

TEST(HostRules, SayWhatIsAskedBeyondThem) {
    const HostRules allowed = rules({"api.example.com", "*.example.org:443", "*.example.net"});
    const auto beyond = [&](const std::string& wanted) {
        const auto rule = first_beyond(rules({wanted}), allowed);
        return rule ? rule->to_string() : "";
    };
    for (const char* const inside : {"api.example.com", "api.example.com:80", "a.example.org:443",
             "*.example.org:443", "*.b.example.net", "*.example.net:80"}) {
        EXPECT_EQ(beyond(inside), "") << inside;
    }
    // Without a port both usual ones are meant.
    for (const char* const outside :
        {"*", "*:443", "example.org:443", "a.example.org", "*.example.org", "*.api.example.com",
            "*.example.com", "api.example.com:8080", "example.net"}) {
        EXPECT_EQ(beyond(outside), outside);
    }
    EXPECT_FALSE(first_beyond(rules({"*", "a.b:1"}), rules({"*", "*:1"})));
    EXPECT_FALSE(first_beyond({}, {}));
    EXPECT_EQ(first_beyond(rules({"a.b", "c.d"}), rules({"a.b"}))->name, "c.d");
}

}  // namespace
}  // namespace decloud::net
