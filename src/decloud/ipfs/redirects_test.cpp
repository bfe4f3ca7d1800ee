#include "redirects.hpp"

#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

Redirects::Match match(const Result<Redirects>& rules, std::string_view path) {
    return rules.value().find(path).value_or(Redirects::Match{});
}

TEST(Redirects, TakesTheFirstRuleThatFits) {
    const auto rules = Redirects::parse(
        "# a comment\r\n/a /b\r\n/a /c 302\n/x/:one/y/:two /:two/:one 308\n"
        "/s/* /t/:splat 200\n/* /404.html 404");
    ASSERT_TRUE(rules) << rules.error().message();
    EXPECT_EQ(match(rules, "/a").to, "/b");
    EXPECT_EQ(match(rules, "/a").status, 301);
    EXPECT_EQ(match(rules, "/x/1/y/2").to, "/2/1");
    EXPECT_EQ(match(rules, "/s/p/q").to, "/t/p/q");
    EXPECT_EQ(match(rules, "/x/1/y").status, 404);
    EXPECT_EQ(match(rules, "/").to, "/404.html");
}

TEST(Redirects, EscapesWhatAPathFillsIn) {
    const auto rules = Redirects::parse("/s/* /t/:splat?x=1");
    EXPECT_EQ(match(rules, "/s/a\r\nb /ü").location, "/t/a%0D%0Ab%20/%C3%BC?x=1");
    EXPECT_EQ(match(rules, "/s//evil.example").location, "/t/evil.example?x=1");
}

TEST(Redirects, RefusesWhatItCannotDo) {
    for (const char* text : {"/a", "/a /b 301!", "/a /b 418", "/a /b 301 x", "a /b", "/a b",
             "/a //evil.example", "/a https://other.example 200", "/*/b /c", "/a* /c"}) {
        EXPECT_FALSE(Redirects::parse(text)) << text;
    }
    EXPECT_TRUE(Redirects::parse("/a https://other.example 302"));
    EXPECT_TRUE(Redirects::parse(std::string(kMaxRedirectsFile + 1, '#')).error() ==
                make_error_code(CommonError::limit_exceeded));
}

}  // namespace

}  // namespace decloud::ipfs
