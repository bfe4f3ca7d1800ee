#include "content_request.hpp"

#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

Answered<ContentRequest> parse(std::string target, std::string accept = {}) {
    net::http::RequestHead head;
    head.method = "GET";
    head.target = std::move(target);
    if (!accept.empty()) {
        head.headers.add("Accept", accept);
    }
    return parse_content_request(head);
}

TEST(ContentRequest, ReadsThePath) {
    const auto request = parse("/ipfs/bafy/a%20b//%C4%85/?filename=x%2By.txt&download=true");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->name, "bafy");
    EXPECT_EQ(request->segments, (std::vector<std::string>{"a b", "\xc4\x85"}));
    EXPECT_TRUE(request->trailing_slash);
    EXPECT_EQ(request->filename, "x+y.txt");
    EXPECT_TRUE(request->download);
}

TEST(ContentRequest, RefusesPathsThatAreNone) {
    for (const char* target : {"/ipfs", "/ipfs/", "/other/x", "/ipfs/x/%zz", "/ipfs/x/%00",
             "/ipfs/x/%2e%2e/y", "/ipfs/x/./y"}) {
        EXPECT_EQ(parse(target).error().status, 400) << target;
    }
    std::string deep = "/ipfs/x";
    for (std::size_t i = 0; i <= kMaxSegments; ++i) {
        deep += "/a";
    }
    EXPECT_EQ(parse(deep).error().status, 414);
    EXPECT_EQ(parse("/ipfs/x/" + std::string(kMaxSegment + 1, 'a')).error().status, 414);
}

TEST(ContentRequest, PrefersTheQueryToAccept) {
    EXPECT_EQ(parse("/ipfs/x?format=car", "application/vnd.ipld.raw")->format, Format::car);
    const auto accepted = parse("/ipfs/x", "text/plain, application/vnd.ipld.raw;q=0.5");
    EXPECT_EQ(accepted->format, Format::raw);
    EXPECT_TRUE(accepted->from_accept);
    EXPECT_EQ(parse("/ipfs/x", "*/*")->format, Format::natural);
    EXPECT_EQ(parse("/ipfs/x?format=nothing").error().status, 400);
}

TEST(ContentRequest, WeighsAccept) {
    EXPECT_EQ(parse("/ipfs/x", "application/vnd.ipld.raw;q=0.1, application/json;q=0.9")->format,
        Format::json);
    EXPECT_EQ(parse("/ipfs/x", "application/vnd.ipld.raw;q=0")->format, Format::natural);
}

TEST(ContentRequest, ReadsWhatACarShallHold) {
    const auto request = parse("/ipfs/x?format=car&dag-scope=entity&entity-bytes=-10:*&car-dups=y");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->car.scope, DagScope::entity);
    EXPECT_EQ(request->car.bytes, (EntityBytes{.from = -10}));
    EXPECT_TRUE(request->car.duplicates);
    EXPECT_TRUE(parse("/ipfs/x", "application/vnd.ipld.car; order=dfs; dups=y")->car.duplicates);
    EXPECT_FALSE(
        parse("/ipfs/x?format=car&car-dups=n", "application/vnd.ipld.car;dups=y")->car.duplicates);
}

TEST(ContentRequest, RefusesCarsThatAreNotMade) {
    EXPECT_EQ(parse("/ipfs/x?format=car&car-version=2").error().status, 400);
    EXPECT_EQ(parse("/ipfs/x?format=car&dag-scope=some").error().status, 400);
    EXPECT_EQ(parse("/ipfs/x?format=car&entity-bytes=5:4").error().status, 400);
    EXPECT_EQ(parse("/ipfs/x", "application/vnd.ipld.car;version=2").error().status, 406);
    EXPECT_EQ(parse("/ipfs/x",
                  "application/vnd.ipld.car;order=foo, "
                  "application/vnd.ipld.car;order=dfs;dups=y;q=0.5")
                  ->car.duplicates,
        true);
}

}  // namespace

}  // namespace decloud::ipfs
