#include "routing.hpp"

#include <decloud/base/encoding.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kCid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
constexpr const char* kPeer = "12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi";

Answered<RoutingRequest> parse(
    std::string target, std::string_view accept = "", std::string method = "GET") {
    net::http::RequestHead head{
        .method = std::move(method), .target = "/routing/v1/" + std::move(target)};
    if (!accept.empty()) {
        head.headers.add("Accept", accept);
    }
    return parse_routing_request(head);
}

int status_of(const Answered<RoutingRequest>& request) {
    return request ? 200 : request.error().status;
}

std::vector<std::string> left(const std::string& query) {
    const PeerRecord peer{
        .id = kPeer, .addresses = {"/ip4/1.2.3.4/tcp/80/http", "/dns/a.example/tcp/443/tls/http"}};
    const auto request = parse(std::string("providers/") + kCid + query);
    return filter_peer(peer, *request).value_or(PeerRecord{}).addresses;
}

TEST(Routing, ReadsWhatIsAskedFor) {
    const auto providers = parse(std::string("providers/") + kCid, "application/x-ndjson");
    EXPECT_TRUE(std::holds_alternative<RoutingRequest::Providers>(providers->what));
    EXPECT_TRUE(providers->streamed);
    const auto peers = parse(std::string("peers/") + kPeer);
    EXPECT_TRUE(std::holds_alternative<RoutingRequest::Peers>(peers->what));
    EXPECT_FALSE(peers->streamed);
    const auto ipns = parse(std::string("ipns/") + kPeer, "application/vnd.ipfs.ipns-record");
    EXPECT_TRUE(std::holds_alternative<RoutingRequest::Ipns>(ipns->what));
}

TEST(Routing, RefusesWhatItCannotAnswer) {
    const std::string cid = std::string("providers/") + kCid;
    EXPECT_EQ(status_of(parse("providers/nothing")), 422);
    EXPECT_EQ(status_of(parse("providers/")), 422);
    EXPECT_EQ(status_of(parse(cid + "/more")), 422);
    EXPECT_EQ(status_of(parse(std::string("peers/") + kCid)), 422);
    EXPECT_EQ(status_of(parse("")), 400);
    EXPECT_EQ(status_of(parse("other/" + std::string(kPeer))), 400);
    EXPECT_EQ(status_of(parse(std::string("ipns/") + kPeer, "application/json")), 406);
    EXPECT_EQ(status_of(parse(cid, "", "PUT")), 501);
    EXPECT_EQ(status_of(parse(std::string("ipns/") + kPeer, "", "POST")), 501);
    EXPECT_EQ(status_of(parse("ipns/nothing", "", "PUT")), 422);
    EXPECT_EQ(status_of(parse(cid + "?filter-addrs=%zz")), 422);
    std::string many;
    for (int i = 0; i < 100; ++i) {
        many += "tcp,";
    }
    EXPECT_EQ(status_of(parse(cid + "?filter-addrs=" + many)), 422);
}

TEST(Routing, FiltersByAddressAndProtocol) {
    EXPECT_EQ(left("").size(), 2U);
    EXPECT_EQ(left("?filter-protocols=transport-bitswap,Transport-IPFS-gateway-http").size(), 2U);
    EXPECT_THAT(left("?filter-protocols=transport-bitswap,unknown"), IsEmpty());
    EXPECT_THAT(left("?filter-addrs=tls"), ElementsAre("/dns/a.example/tcp/443/tls/http"));
    EXPECT_THAT(left("?filter-addrs=%21tls"), ElementsAre("/ip4/1.2.3.4/tcp/80/http"));
    EXPECT_THAT(left("?filter-addrs=tcp,!dns"), ElementsAre("/ip4/1.2.3.4/tcp/80/http"));
    EXPECT_THAT(left("?filter-addrs=quic-v1,unknown"), IsEmpty());
}

TEST(Routing, NamesPeersAsLibp2pDoes) {
    // The public key of the test vectors in libp2p's specs/peer-ids.
    const Bytes key =
        from_hex("1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e").value();
    const auto id = peer_id(crypto::Ed25519PublicKey::from(key).value());
    const auto name = multiformats::IpnsName::parse(id);
    ASSERT_TRUE(name) << id;
    EXPECT_TRUE(id.starts_with("12D3KooW"));
    EXPECT_EQ(Bytes(name->hash().digest().begin() + 4, name->hash().digest().end()), key);
}

}  // namespace

}  // namespace decloud::ipfs
