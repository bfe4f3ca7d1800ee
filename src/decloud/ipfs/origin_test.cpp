#include "origin.hpp"

#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

Origin find(const net::http::Headers& headers, bool trusted = true) {
    net::http::RequestHead head;
    head.headers = headers;
    return find_origin(
        head, {"localhost"}, [](std::string_view domain) { return domain == "site.example"; },
        trusted);
}

TEST(Origin, IsFoundByTheHost) {
    const Origin content = find({{"Host", "BAFKQAAA.ipfs.localhost:8402"}});
    EXPECT_EQ(content.kind, Origin::Kind::content);
    EXPECT_EQ(content.name, "bafkqaaa");
    EXPECT_EQ(content.space, "ipfs");
    EXPECT_EQ(content.authority, "localhost:8402");
    EXPECT_EQ(find({{"Host", "a.example.ipns.localhost"}}).name, "a.example");
    EXPECT_EQ(find({{"Host", "localhost:8402"}}).kind, Origin::Kind::parent);
    EXPECT_EQ(find({{"Host", "site.example:80"}}).kind, Origin::Kind::website);
    for (const char* host : {"127.0.0.1:8402", "alice.localhost", "x.ipfs.other", ".ipfs.localhost",
             "other.example", "a\"b.ipfs.localhost", ""}) {
        EXPECT_EQ(find({{"Host", host}}).kind, Origin::Kind::shared) << host;
    }
}

TEST(Origin, BelievesAProxyOnlyIfItMay) {
    const net::http::Headers headers{
        {"Host", "inner"}, {"X-Forwarded-Host", "localhost"}, {"X-Forwarded-Proto", "https"}};
    EXPECT_EQ(find(headers).kind, Origin::Kind::parent);
    EXPECT_EQ(find(headers).scheme, "https");
    EXPECT_EQ(find(headers, false).kind, Origin::Kind::shared);
    EXPECT_EQ(find(headers, false).scheme, "http");
}

TEST(Origin, WritesDomainsAsLabels) {
    EXPECT_EQ(inline_domain("en.wikipedia-on-ipfs.org"), "en-wikipedia--on--ipfs-org");
    EXPECT_EQ(domain_of_label("en-wikipedia--on--ipfs-org"), "en.wikipedia-on-ipfs.org");
    EXPECT_EQ(domain_of_label("a.b-c"), "a.b-c");
}

TEST(Origin, HasLabelsThatDnsTakes) {
    EXPECT_EQ(subdomain_label("ipfs", "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").value(),
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    EXPECT_EQ(subdomain_label("ipns", "site.example").value(), "site-example");
    EXPECT_EQ(subdomain_label("ipns", std::string(60, 'a') + ".example").value(), std::nullopt);
    EXPECT_FALSE(subdomain_label("ipns", "site"));
    EXPECT_FALSE(subdomain_label("ipns", "site.example/x"));
    EXPECT_FALSE(subdomain_label("ipfs", "QmInvalid"));
}

}  // namespace

}  // namespace decloud::ipfs
