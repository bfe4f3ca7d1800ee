#include "routing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace decloud::gateway {
namespace {

using ::testing::HasSubstr;

protocol::Checked<Route> route(
    std::string_view host, std::string target, std::string_view domain = "localhost") {
    net::http::RequestHead request;
    request.method = "GET";
    request.target = std::move(target);
    if (!host.empty()) {
        request.headers.add("Host", host);
    }
    return find_route(request, domain);
}

void expect_provider(std::string_view host,
    const std::string& target,
    std::string_view name,
    std::string_view prefix,
    std::string_view domain = "localhost") {
    const auto found = route(host, target, domain);
    ASSERT_TRUE(found) << host << target << ": " << found.error().detail;
    const auto* provider = std::get_if<ProviderRoute>(&*found);
    ASSERT_NE(provider, nullptr) << host << target;
    EXPECT_EQ(provider->name.full(), name);
    EXPECT_EQ(provider->shared_prefix, prefix);
}

void expect_refused(int status,
    std::string_view host,
    const std::string& target,
    std::string_view domain = "localhost") {
    const auto found = route(host, target, domain);
    ASSERT_FALSE(found) << host << target;
    EXPECT_EQ(found.error().http_status, status) << host << target;
    EXPECT_THAT(found.error().help, HasSubstr("/p/{provider}/{cid}"));
}

TEST(Routing, TakesTheProviderFromTheHost) {
    expect_provider("alice.localhost:8080", "/bafy", "alice.decloud", "");
    expect_provider("ALICE.LocalHost", "/", "alice.decloud", "");
    expect_provider("alice.localhost.", "/", "alice.decloud", "");
    expect_provider("a--b.localhost", "/", "a-b.decloud", "");
    expect_provider("shop-example-eth.localhost", "/", "shop.example.eth", "");
    expect_provider("alice.gw.example", "/healthz", "alice.decloud", "", "gw.example");
    expect_provider("alice.localhost", "http://alice.localhost/x", "alice.decloud", "");
    expect_provider("alice.localhost", "*", "alice.decloud", "");
}

TEST(Routing, TakesTheProviderFromThePath) {
    for (const std::string_view host :
        {"localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7", ""}) {
        expect_provider(host, "/p/alice/bafy?x=/p/bob", "alice.decloud", "/p/alice");
    }
    expect_provider("gw.example", "/p/a-b", "a-b.decloud", "/p/a-b", "gw.example");
    expect_provider("localhost", "/p/alice?x", "alice.decloud", "/p/alice");
    expect_provider("localhost", "/p/alice.decloud/", "alice.decloud", "/p/alice.decloud");
    expect_provider("localhost", "/p/shop.example.eth/", "shop.example.eth", "/p/shop.example.eth");
    expect_provider("localhost", "http://localhost/p/alice/", "alice.decloud", "/p/alice");
}

TEST(Routing, TakesACidOnItsOwnHost) {
    const std::string cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    for (const std::string rest : {"", "/", "/a/b?c", "?c"}) {
        const auto found = route("localhost:8080", "/" + cid + rest);
        ASSERT_TRUE(found) << rest;
        const auto* const to_cid = std::get_if<CidRoute>(&*found);
        ASSERT_NE(to_cid, nullptr) << rest;
        EXPECT_EQ(to_cid->cid, cid);
        EXPECT_EQ(to_cid->prefix, "/" + cid);
    }
    const auto old =
        route("gw.example", "/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG/x", "gw.example");
    ASSERT_TRUE(old && std::holds_alternative<CidRoute>(*old));
    expect_refused(404, "localhost", "/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52");
    expect_refused(404, "localhost", "//" + cid);
}

TEST(Routing, TakesAliasesUnderFnOnly) {
    const auto found = route("Shop-1.fn.localhost:8080", "/a");
    ASSERT_TRUE(found);
    EXPECT_EQ(std::get<AliasRoute>(*found).alias, "shop-1");
    for (const std::string bad : {"-a", "a-", "a_b", "xn--a", "fn", "app", "www", ""}) {
        expect_refused(400, bad + ".fn.localhost", "/");
    }
    expect_refused(400, "a.b.fn.localhost", "/");
    expect_refused(404, "fn.localhost", "/");
    // A provider of that name would be written otherwise.
    expect_provider("a-fn.localhost", "/", "a.fn", "");
}

TEST(Routing, AnswersForItself) {
    EXPECT_TRUE(std::holds_alternative<HealthRoute>(*route("localhost", "/healthz?x")));
    EXPECT_TRUE(std::holds_alternative<ReadyRoute>(*route("127.0.0.1:1", "/readyz")));
}

TEST(Routing, RefusesASecondSpellingOfAName) {
    expect_refused(404, "alice-decloud.localhost", "/");
    expect_refused(404, "localhost", "/p/Alice/");
    expect_refused(404, "localhost", "/p/ALICE.decloud/");
}

TEST(Routing, RefusesNamesThatCannotBe) {
    expect_refused(400, "-alice.localhost", "/");
    expect_refused(400, "a_b.localhost", "/");
    expect_refused(400, "localhost", "/p//bafy");
    expect_refused(400, "localhost", "/p/al%69ce/");
    expect_refused(400, "localhost", "/p/a..b/");
    expect_refused(400, "localhost", "/p/" + std::string(64, 'a'));
}

TEST(Routing, RefusesReservedNames) {
    for (const std::string label : {"app", "fn", "p", "ipfs", "ipns", "www", "api"}) {
        expect_refused(404, label + ".localhost", "/");
        expect_refused(404, "localhost", "/p/" + label + "/");
    }
}

TEST(Routing, RefusesWhatLeadsNowhere) {
    expect_refused(404, "localhost", "/");
    expect_refused(404, "localhost", "/bafy");
    expect_refused(404, "localhost", "/p");
    expect_refused(404, "localhost", "*");
    expect_refused(404, "localhost", "/healthz/");
    expect_refused(404, "a.b.localhost", "/");
    expect_refused(404, "alice.example", "/");
    expect_refused(404, "alicelocalhost", "/");
    expect_refused(404, ".localhost", "/");
}

TEST(Routing, SendsTheTargetOnInOriginForm) {
    EXPECT_EQ(origin_form("/%7e//a?b=%20&c"), "/%7e//a?b=%20&c");
    EXPECT_EQ(origin_form("*"), "*");
    EXPECT_EQ(origin_form("http://host/%7e//a?b"), "/%7e//a?b");
    EXPECT_EQ(origin_form("http://host"), "/");
    EXPECT_EQ(origin_form("http://host?b"), "/?b");
    EXPECT_EQ(origin_form("/a?http://host/b"), "/a?http://host/b");
}

}  // namespace
}  // namespace decloud::gateway
