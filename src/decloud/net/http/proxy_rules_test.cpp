#include "proxy_rules.hpp"

#include <gtest/gtest.h>

namespace decloud::net::http {
namespace {

Url url_of(std::string_view text) { return parse_url(text).value(); }

std::string proxy_for(const ProxyRules& rules, std::string_view url) {
    const auto found = rules.find(url_of(url));
    if (!found) {
        return "failed: " + found.error().detail();
    }
    return *found ? (*found)->url.to_string() : "none";
}

TEST(ProxyRules, EachSchemeHasItsProxyAndAllStandsInForBoth) {
    const ProxyRules rules({.http = "http://a.test:3128", .https = "b.test:8080"});
    EXPECT_EQ(proxy_for(rules, "http://node.test/x"), "http://a.test:3128/");
    EXPECT_EQ(proxy_for(rules, "https://node.test/x"), "http://b.test:8080/");
    const ProxyRules other({.http = "a.test", .all = "c.test:1"});
    EXPECT_EQ(proxy_for(other, "http://node.test/"), "http://a.test/");
    EXPECT_EQ(proxy_for(other, "https://node.test/"), "http://c.test:1/");
    EXPECT_EQ(proxy_for(ProxyRules({}), "https://node.test/"), "none");
}

TEST(ProxyRules, WhatIsOfThisMachineIsAskedDirectly) {
    const ProxyRules rules({.all = "http://a.test:3128"});
    for (const auto* url : {"http://127.0.0.1:8402/", "http://127.8.9.1/", "http://[::1]:8402/",
             "http://[::ffff:127.0.0.1]/", "http://localhost:8080/", "http://alice.localhost:8080/",
             "unix:/run/decloud.sock"}) {
        EXPECT_EQ(proxy_for(rules, url), "none") << url;
    }
    EXPECT_EQ(proxy_for(rules, "http://notlocalhost/"), "http://a.test:3128/");
    EXPECT_EQ(proxy_for(rules, "http://128.0.0.1/"), "http://a.test:3128/");
}

TEST(ProxyRules, NoProxyNamesHostsDomainsAddressesAndPorts) {
    const ProxyRules rules({.all = "http://a.test:3128",
        .none = "One.test, .two.test,*.three.test 10.0.0.7,[fd00::1],four.test:8402,,"});
    for (const auto* url : {"http://one.test/", "http://below.one.test/", "http://two.test/",
             "https://x.y.two.test/", "http://z.three.test/", "http://10.0.0.7:99/",
             "http://[fd00::1]/", "http://four.test:8402/"}) {
        EXPECT_EQ(proxy_for(rules, url), "none") << url;
    }
    for (const auto* url : {"http://someone.test/", "http://one.test.evil.test/",
             "http://10.0.0.70/", "http://four.test/", "http://[fd00::2]/"}) {
        EXPECT_EQ(proxy_for(rules, url), "http://a.test:3128/") << url;
    }
    EXPECT_EQ(proxy_for(ProxyRules({.all = "a.test", .none = "*"}), "http://b.test/"), "none");
}

TEST(ProxyRules, UserAndPasswordBecomeBasicCredentials) {
    const ProxyRules rules({.https = "http://Aladdin:open%20sesame@a.test:3128/"});
    const auto proxy = rules.find(url_of("https://node.test/")).value().value();
    // RFC 7617 §2.
    EXPECT_EQ(proxy.authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    EXPECT_EQ(proxy.url.host, "a.test");
}

TEST(ProxyRules, AWrongValueIsNamedButNotShown) {
    for (const auto* value : {"socks5://u:hunter2@a.test:1080", "http://u:hunter2@",
             "u:hunter2@a b", "https://u:hunter2@a.test", "http://u:hunter2%zz@a.test"}) {
        const std::string said = proxy_for(ProxyRules({.http = value}), "http://node.test/");
        EXPECT_NE(said.find("failed: http_proxy"), std::string::npos) << said;
        EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
    }
    EXPECT_EQ(proxy_for(ProxyRules({.http = "socks5://a"}), "https://node.test/"), "none");
}

}  // namespace
}  // namespace decloud::net::http
