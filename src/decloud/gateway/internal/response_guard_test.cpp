#include "response_guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::gateway::internal {
namespace {

using net::http::Headers;
using ::testing::ElementsAre;

TEST(ResponseGuard, TakesAwayWhatGovernsTheHost) {
    Headers headers{{"Alt-Svc", "h2=\":1\""}, {"strict-transport-security", "max-age=1"},
        {"Clear-Site-Data", "\"*\""}, {"Service-Worker-Allowed", "/"}, {"NEL", "{}"},
        {"Report-To", "{}"}, {"Reporting-Endpoints", "a=\"b\""}, {"ETag", "\"1\""},
        {"OpenCloud-Status", "ok"}, {"Signature", "a=:b:"}};
    guard_response(headers, "");
    EXPECT_EQ(headers.size(), 3);
    EXPECT_TRUE(headers.contains("ETag"));
    EXPECT_TRUE(headers.contains("OpenCloud-Status"));
    EXPECT_TRUE(headers.contains("Signature"));
}

TEST(ResponseGuard, ConfinesCookies) {
    EXPECT_EQ(confine_cookie("a=b", ""), "a=b");
    EXPECT_EQ(confine_cookie("a=b; Domain=localhost; Secure", ""), "a=b; Secure");
    EXPECT_EQ(confine_cookie("a=b;domain = x;PATH=/c", ""), "a=b; Path=/c");
    EXPECT_EQ(confine_cookie("a=b", "/p/alice"), "a=b; Path=/p/alice/");
    EXPECT_EQ(confine_cookie("a=b; Path=/", "/p/alice"), "a=b; Path=/p/alice/");
    EXPECT_EQ(confine_cookie("a=b; Path=/p/alice/bafy", "/p/alice"), "a=b; Path=/p/alice/bafy");
    EXPECT_EQ(confine_cookie("a=b; Path=/p/alicex", "/p/alice"), "a=b; Path=/p/alice/");
    EXPECT_EQ(confine_cookie("a=b; Path=/p/alice/c; Path=/", "/p/alice"), "a=b; Path=/p/alice/");
}

TEST(ResponseGuard, KeepsEveryCookie) {
    Headers headers{{"Set-Cookie", "a=1; Domain=x"}, {"ETag", "\"1\""}, {"set-cookie", "b=2"}};
    guard_response(headers, "");
    EXPECT_THAT(headers.all("Set-Cookie"), ElementsAre("a=1", "b=2"));
}

TEST(ResponseGuard, SandboxesPagesOnASharedOrigin) {
    Headers headers{{"Content-Security-Policy", "default-src 'self'"}};
    guard_response(headers, "/p/alice");
    EXPECT_THAT(headers.all("Content-Security-Policy"),
        ElementsAre("default-src 'self'", "sandbox allow-scripts allow-forms"));
    EXPECT_EQ(headers.find("X-Content-Type-Options"), "nosniff");
    guard_response(headers, "/p/alice");
    EXPECT_EQ(headers.count("Content-Security-Policy"), 2);

    Headers own;
    guard_response(own, "");
    EXPECT_TRUE(own.empty());
}

TEST(ResponseGuard, LetsOnlyHarmlessTrailersThrough) {
    Headers trailers{{"Signature", "a=:b:"}, {"Content-Digest", "sha-256=:x:"},
        {"Content-Length", "3"}, {"Host", "evil"}, {"Via", "1.1 x"}, {"X-Forwarded-For", "1.2.3.4"},
        {"Forwarded", "for=1.2.3.4"}, {"Transfer-Encoding", "chunked"}, {"Set-Cookie", "a=b"},
        {"Alt-Svc", "x"}};
    guard_trailers(trailers);
    EXPECT_EQ(trailers.size(), 2);
    EXPECT_TRUE(trailers.contains("Signature"));
    EXPECT_TRUE(trailers.contains("Content-Digest"));
}

}  // namespace
}  // namespace decloud::gateway::internal
