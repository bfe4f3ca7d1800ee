#include "multiaddr.hpp"

#include <gtest/gtest.h>

#include <string>

namespace decloud::ipfs {

namespace {

TEST(Multiaddr, WritesAddressesOfUrls) {
    const auto address = [](const char* url) {
        return multiaddr_of(net::parse_url(url).value()).value_or("");
    };
    EXPECT_EQ(address("http://127.0.0.1:8402"), "/ip4/127.0.0.1/tcp/8402/http");
    EXPECT_EQ(address("http://localhost:8402/"), "/ip4/127.0.0.1/tcp/8402/http");
    EXPECT_EQ(address("https://[2001:db8::1]/"), "/ip6/2001:db8::1/tcp/443/tls/http");
    EXPECT_EQ(address("https://a.example"), "/dns/a.example/tcp/443/tls/http");
    EXPECT_EQ(address("https://a.example/p/alice"), "");
    EXPECT_EQ(address("unix:/run/a.sock"), "");
}

TEST(Multiaddr, ReadsWhereHttpIsSpoken) {
    const auto url = [](std::string_view address) {
        const auto found = url_of_address(address);
        return found ? found->to_string() : "";
    };
    EXPECT_EQ(url("/ip4/127.0.0.1/tcp/8402/http"), "http://127.0.0.1:8402/");
    EXPECT_EQ(url("/ip6/2001:db8::1/tcp/443/tls/http"), "https://[2001:db8::1]/");
    EXPECT_EQ(url("/dns/a.example/tcp/443/https"), "https://a.example/");
    EXPECT_EQ(url("/dns4/a.example/tcp/8443/tls/sni/a.example/http"), "https://a.example:8443/");
    EXPECT_EQ(url("/dns6/a.example/tcp/80/http/p2p/12D3KooW"), "http://a.example/");
    EXPECT_EQ(url("https://a.example"), "https://a.example/");
    EXPECT_EQ(url("http://a.example:8080/"), "http://a.example:8080/");
}

TEST(Multiaddr, PassesOverWhatIsNoHttp) {
    for (const char* const other :
        {"", "/", "/ip4/1.2.3.4", "/ip4/1.2.3.4/tcp/80", "/ip4/1.2.3.4/udp/80/quic-v1",
            "/ip4/1.2.3.4/tcp/80/ws", "/ip4/1.2.3.4/tcp/80/tls/ws", "/ip4/1.2.3.4/tcp/80/http/x",
            "/ip4/1.2.3.4/tcp/80/http/http-path/a", "/ip4/a.example/tcp/80/http",
            "/ip4/::1/tcp/80/http", "/ip6/1.2.3.4/tcp/80/http", "/dns/1.2.3.4/tcp/80/http",
            "/dns/a.example/tcp/99999/http", "/dns/a.example/tcp/80@b/http",
            "/dns/a.example/tcp/80?x/http", "/dns/u@a.example/tcp/80/http",
            "/dns/a.example/tcp/443/tls/sni/b.example/http", "/unix/run/tcp/80/http",
            "/dns//tcp/80/http", "https://a.example/path", "unix:/run/a.sock", "ftp://a.example"}) {
        EXPECT_FALSE(url_of_address(other)) << other;
    }
    EXPECT_FALSE(url_of_address("/dns/" + std::string(600, 'a') + "/tcp/80/http"));
}

}  // namespace

}  // namespace decloud::ipfs
