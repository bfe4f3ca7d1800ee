#include "edge.hpp"

#include <gtest/gtest.h>

namespace decloud::node {
namespace {

const EdgeSettings kSettings{.provider_name = "alice.decloud",
    .provider_short_name = "alice",
    .audience = "eip155:1:0x0",
    .trusted_gateways = {net::IpAddress::v4({10, 0, 0, 9})}};
constexpr const char* kCid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

protocol::Checked<Route> route(std::string target, std::string method = "GET") {
    net::http::RequestHead head;
    head.method = std::move(method);
    head.target = std::move(target);
    net::PeerAddress peer;
    peer.ip = net::IpAddress::v4({10, 0, 0, 7});
    return route_request(head, peer, 0, kSettings, {1});
}

TEST(Edge, ACidIsACallWithItsPrefixAndPathInfo) {
    const auto found = route(std::string("/") + kCid + "/a%20b/c?x=1");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->call->service, "compute");
    EXPECT_EQ(found->call->args.front(), kCid);
    EXPECT_EQ(found->call->prefix, std::string("/") + kCid);
    EXPECT_EQ(found->call->path_info, "/a%20b/c");
    EXPECT_EQ(found->call->client, "10.0.0.7");
}

TEST(Edge, OwnNameInThePathIsPartOfThePrefix) {
    for (const std::string name : {"alice", "alice.decloud"}) {
        const auto found = route("/p/" + name + "/" + kCid + "/x");
        ASSERT_TRUE(found);
        EXPECT_EQ(found->call->prefix, "/p/" + name + "/" + kCid);
        EXPECT_EQ(found->call->path_info, "/x");
    }
    EXPECT_EQ(route(std::string("/p/bob/") + kCid).error().http_status, 404);
}

TEST(Edge, OpenCloudRequestsNameServiceMethodAndArguments) {
    const auto found = route("/oc/v1/content/import?arg=a%2Fb&arg=c&other=1", "POST");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->call->service, "content");
    EXPECT_EQ(found->call->method, "import");
    EXPECT_EQ(found->call->args, (std::vector<std::string>{"a/b", "c"}));
    EXPECT_EQ(route("/oc/v1/content/import", "GET").error().http_status, 405);
    EXPECT_EQ(route("/oc/v1/content", "POST").error().http_status, 404);
    EXPECT_EQ(route("/oc/v2/content/import", "POST").error().http_status, 404);
}

TEST(Edge, WhatIsNoCidIsRefused) {
    EXPECT_EQ(route("/").error().http_status, 404);
    EXPECT_EQ(route("/favicon.ico").error().http_status, 404);
    EXPECT_EQ(route("/metrics").error().http_status, 404);
    EXPECT_EQ(route("/xyz").error().http_status, 400);
    EXPECT_EQ(route("/bafyxx").error().http_status, 400);
    EXPECT_EQ(route("/not-a-cid-but-rather-long").error().http_status, 400);
}

TEST(Edge, IPv6ClientsAreCountedByTheir64) {
    net::PeerAddress peer;
    peer.ip = net::parse_ip_address("2001:db8:1:2:3:4:5:6").value();
    EXPECT_EQ(client_key(peer), "2001:db8:1:2::/64");
    peer.ip = net::parse_ip_address("::ffff:192.0.2.1").value();
    EXPECT_EQ(client_key(peer), "192.0.2.1");
}

TEST(Edge, ForwardedIsBelievedFromConfiguredGatewaysOnly) {
    net::http::RequestHead head;
    head.headers.add("Forwarded", "for=192.0.2.60;proto=http");
    net::PeerAddress peer;
    peer.ip = net::IpAddress::v4({10, 0, 0, 9});
    EXPECT_EQ(client_key(head, peer, kSettings), "192.0.2.60");
    peer.ip = net::IpAddress::v4({10, 0, 0, 7});
    EXPECT_EQ(client_key(head, peer, kSettings), "10.0.0.7");
}

}  // namespace
}  // namespace decloud::node
