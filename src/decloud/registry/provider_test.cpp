#include "provider.hpp"

#include <decloud/base/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::registry {
namespace {

using ::testing::HasSubstr;

// RFC 7638 §3.1.
constexpr std::string_view kJwk =
    R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"})";

identity::ProviderName alice() { return identity::ProviderName::parse("alice").value(); }

chain::ProviderRecord record(std::string url, std::string jwk = {}) {
    return {.address = Address{{1}},
        .url = std::move(url),
        .rsa_jwk = std::move(jwk),
        .lowest_epoch = 7,
        .resolver = Address{{2}}};
}

void expect_unusable(const chain::ProviderRecord& given, std::string_view why) {
    const auto provider = parse_provider(alice(), given);
    ASSERT_FALSE(provider);
    EXPECT_EQ(provider.error(), make_error_code(RegistryError::unusable_record));
    EXPECT_THAT(provider.error().detail(), HasSubstr("alice.decloud"));
    EXPECT_THAT(provider.error().detail(), HasSubstr(std::string(why)));
}

TEST(ProviderRecord, GivesAProvider) {
    const auto provider =
        parse_provider(alice(), record("https://Node.example:8443", std::string(kJwk)));
    ASSERT_TRUE(provider) << provider.error().message();
    EXPECT_EQ(provider->url.scheme, net::Scheme::https);
    EXPECT_EQ(provider->url.host, "node.example");
    EXPECT_EQ(provider->url.port, 8443);
    EXPECT_EQ(provider->lowest_epoch, 7);
    ASSERT_TRUE(provider->rsa_key);
    EXPECT_EQ(provider->rsa_key->key_id(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(ProviderRecord, MayHaveNoKey) {
    const auto provider = parse_provider(alice(), record("http://node.example/"));
    ASSERT_TRUE(provider);
    EXPECT_FALSE(provider->rsa_key);
}

TEST(ProviderRecord, RefusesUrlsThatAreNoBase) {
    expect_unusable(record(""), "no URL");
    expect_unusable(record("ftp://node.example"), "URL is bad");
    expect_unusable(record("http://user@node.example"), "URL is bad");
    expect_unusable(record("http://node.example:0"), "URL is bad");
    expect_unusable(record("http://node.example\r\nX: y"), "URL is bad");
    expect_unusable(record("unix:/run/decloud.sock"), "not http");
    expect_unusable(record("http://node.example/base"), "path");
    expect_unusable(record("http://node.example?a=b"), "path");
}

TEST(ProviderRecord, RefusesKeysThatAreNone) {
    expect_unusable(record("http://node.example", "{}"), "key is bad");
    expect_unusable(record("http://node.example", "not json"), "key is bad");
    expect_unusable(
        record("http://node.example", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"), "key is bad");
}

TEST(ProviderRecord, RefusesARecordWithoutAddress) {
    auto given = record("http://node.example");
    given.address = {};
    expect_unusable(given, "address");
}

}  // namespace
}  // namespace decloud::registry
