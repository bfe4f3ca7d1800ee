#include "proxy.hpp"

#include <gtest/gtest.h>

#include <string>

namespace decloud::ipfs {

namespace {

bool is_website(std::string_view authority) {
    return authority.substr(0, authority.find(':')) == "site.example";
}

bool ends(std::string_view authority) {
    const auto own =
        own_origins(net::parse_endpoint("127.0.0.1:8402").value(), "http://node.example:8080");
    return ends_here(authority, own, is_website);
}

TEST(Proxy, TunnelsToItselfAndToItsWebsitesEndHere) {
    EXPECT_TRUE(ends("127.0.0.1:8402"));
    EXPECT_TRUE(ends("node.example:8080"));
    EXPECT_TRUE(ends("NODE.example:8080"));
    EXPECT_TRUE(ends("site.example:80"));
    EXPECT_TRUE(ends("site.example:8402"));
    EXPECT_TRUE(ends("site.example:8080"));
}

TEST(Proxy, TunnelsToAnythingElseDoNot) {
    for (const char* const elsewhere : {"127.0.0.1:22", "127.0.0.1:80", "127.0.0.2:8402",
             "[::1]:8402", "node.example:80", "node.example:8402", "site.example:443",
             "site.example:22", "other.example:80", "site.example.evil:80", "169.254.169.254:80",
             "localhost:8402/x", "", ":80", "a b:80"}) {
        EXPECT_FALSE(ends(elsewhere)) << elsewhere;
    }
}

TEST(Proxy, AnAddressForTlsIsNoneOfATunnel) {
    const auto own = own_origins(net::parse_endpoint("[::1]:8402").value(), "https://node.example");
    ASSERT_EQ(own.size(), 1U);
    EXPECT_TRUE(ends_here("[::1]:8402", own, is_website));
    EXPECT_FALSE(ends_here("node.example:443", own, is_website));
    EXPECT_TRUE(own_origins(net::parse_endpoint("unix:/run/node").value(), "").empty());
}

}  // namespace

}  // namespace decloud::ipfs
