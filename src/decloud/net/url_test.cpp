#include "url.hpp"

#include "address.hpp"

#include <gtest/gtest.h>

namespace decloud::net {
namespace {

TEST(Url, ReadsItsParts) {
    const Url plain = parse_url("http://Example.COM/a/%2f?b=c").value();
    EXPECT_EQ(plain.scheme, Scheme::http);
    EXPECT_EQ(plain.host, "example.com");
    EXPECT_EQ(plain.port, 80);
    EXPECT_EQ(plain.target, "/a/%2f?b=c");
    EXPECT_EQ(plain.authority(), "example.com");
    const Url secure = parse_url("https://[2001:db8::1]:8443?x").value();
    EXPECT_EQ(secure.scheme, Scheme::https);
    EXPECT_EQ(secure.host, "2001:db8::1");
    EXPECT_EQ(secure.port, 8443);
    EXPECT_EQ(secure.target, "/?x");
    EXPECT_EQ(secure.to_string(), "https://[2001:db8::1]:8443/?x");
    EXPECT_EQ(parse_url("https://a:443").value().authority(), "a");
    EXPECT_EQ(parse_url("http://a:443").value().authority(), "a:443");
    EXPECT_EQ(parse_url("unix:/run/x.socket").value().unix_path, "/run/x.socket");
}

TEST(Url, RefusesWhatCouldBeReadInTwoWays) {
    for (const std::string_view text : {"", "a", "//a", "ftp://a/", "http:/a", "http://",
             "http:///a", "http://a b/", "http://a/ b", "http://a/#b", "http://u@a/",
             "http://u:p@a/", "http://a:/", "http://a:0/", "http://a:65536/", "http://a:8x/",
             "http://[::1/", "http://[::1]a/", "http://[127.0.0.1]/", "http://::1/", "http://a\\b/",
             "http://a/\r\n", "http://\xc3\xa4/", "http://a%2eb/", "HTTP://a/",
             "unix:", "unix:relative", "http://[fe80::1%25eth0]/"}) {
        EXPECT_FALSE(parse_url(text).has_value()) << text;
    }
    EXPECT_FALSE(parse_url("http://a/" + std::string(9000, 'a')).has_value());
    EXPECT_FALSE(parse_url("unix:/" + std::string(5000, 'a')).has_value());
}

TEST(Endpoint, ReadsAddressesAndSocketPaths) {
    EXPECT_EQ(parse_endpoint("127.0.0.1:8402").value().to_string(), "127.0.0.1:8402");
    EXPECT_EQ(parse_endpoint("[::1]:0").value().to_string(), "[::1]:0");
    EXPECT_EQ(parse_endpoint("unix:/a").value().to_string(), "unix:/a");
    for (const std::string_view text : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
             "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80", "localhost:80", "unix:"}) {
        EXPECT_FALSE(parse_endpoint(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace decloud::net
