#include "signature_base.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/p256.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

using net::http::Headers;

/// RFC 9421, appendix B.2.
const Headers& request_headers() {
    static const Headers headers{{"Host", "example.com"}, {"Date", "Tue, 20 Apr 2021 02:07:55 GMT"},
        {"Content-Type", "application/json"},
        {"Content-Digest",
            "sha-512=:WZDPaVn/"
            "7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTH"
            "WXvJwew==:"},
        {"Content-Length", "18"}};
    return headers;
}

SignableMessage request() {
    return {.method = "POST",
        .target = "/foo?param=Value&Pet=dog",
        .authority = "example.com",
        .status = {},
        .headers = &request_headers()};
}

InnerList input(std::string_view text) {
    return std::get<InnerList>(parse_list(text).value().at(0));
}

TEST(SignatureBase, VerifiesTheRfcsRequestSignedByEd25519) {
    const auto base = signature_base(request(),
        input(R"(("date" "@method" "@path" "@authority" "content-type" "content-length");)"
              R"(created=1618884473;keyid="test-key-ed25519")"));
    ASSERT_TRUE(base) << base.error().message();
    const auto key = crypto::Ed25519PublicKey::from(
        from_base64url("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").value());
    EXPECT_TRUE(crypto::verify(key.value(), as_bytes(*base),
        from_base64("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5"
                    "WPpBKRCw==")
            .value()));
}

TEST(SignatureBase, VerifiesTheRfcsResponseSignedByP256) {
    const Headers headers{{"Date", "Tue, 20 Apr 2021 02:07:56 GMT"},
        {"Content-Type", "application/json"},
        {"Content-Digest",
            "sha-512=:"
            "mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l"
            "5aGgfLQ==:"},
        {"Content-Length", "23"}};
    const auto base = signature_base(
        {.method = {}, .target = {}, .authority = {}, .status = 200, .headers = &headers},
        input(R"(("@status" "content-type" "content-digest" "content-length");created=1618884473;)"
              R"(keyid="test-key-ecc-p256")"));
    ASSERT_TRUE(base);
    const auto key = crypto::parse_p256(
        from_hex("03a885586552c2acf6471878cfd7b0935b4ffe0fd2dfc341248ea17bc41e058af0").value());
    ASSERT_TRUE(key);
    EXPECT_TRUE(crypto::verify(*key, as_bytes(*base),
        from_base64("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj"
                    "+32oiasw==")
            .value()));
}

TEST(SignatureBase, GivesTheRfcsHmac) {
    const auto base = signature_base(request(),
        input(
            R"(("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret")"));
    ASSERT_TRUE(base);
    const Bytes secret = from_base64(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPB"
        "tbmHhIDi6pcl8jsasjlTMtDQ==")
                             .value();
    EXPECT_EQ(to_base64(crypto::hmac_sha256(secret, as_bytes(*base))),
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
}

/// The value of the only component of the base for `component`.
Result<std::string> value_of(const SignableMessage& message, const std::string& component) {
    TRY(const std::string base, signature_base(message, input("(" + component + ")")));
    const std::string start = component + ": ";
    EXPECT_TRUE(base.starts_with(start)) << base;
    return base.substr(start.size(), base.find('\n') - start.size());
}

TEST(SignatureBase, DerivesComponentsAsTheRfcsExamples) {
    SignableMessage message{.method = "POST",
        .target = "/path?param=value&foo=bar&baz=batman&qux=",
        .authority = "WWW.Example.com:443",
        .status = {},
        .headers = &request_headers()};
    EXPECT_EQ(value_of(message, "\"@target-uri\"").value(),
        "https://www.example.com/path?param=value&foo=bar&baz=batman&qux=");
    EXPECT_EQ(value_of(message, "\"@authority\"").value(), "www.example.com");
    EXPECT_EQ(value_of(message, "\"@scheme\"").value(), "https");
    EXPECT_EQ(value_of(message, "\"@request-target\"").value(), message.target);
    EXPECT_EQ(value_of(message, "\"@path\"").value(), "/path");
    EXPECT_EQ(value_of(message, "\"@query\"").value(), "?param=value&foo=bar&baz=batman&qux=");
    EXPECT_EQ(value_of(message, R"("@query-param";name="baz")").value(), "batman");
    EXPECT_EQ(value_of(message, R"("@query-param";name="qux")").value(), "");
    message.target =
        "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&"
        "fa%C3%A7ade%22%3A%20=something";
    EXPECT_EQ(value_of(message, R"("@query-param";name="var")").value(),
        "this%20is%20a%20big%0Amultiline%20value");
    EXPECT_EQ(
        value_of(message, R"("@query-param";name="bar")").value(), "with%20plus%20whitespace");
    EXPECT_EQ(
        value_of(message, R"("@query-param";name="fa%C3%A7ade%22%3A%20")").value(), "something");
    message.target = "/path";
    EXPECT_EQ(value_of(message, "\"@query\"").value(), "?");
}

TEST(SignatureBase, ReadsFieldsAsTheRfcsExamples) {
    const Headers headers{{"X-OWS-Header", "   Leading and trailing whitespace.   "},
        {"Cache-Control", "max-age=60"}, {"Cache-Control", "   must-revalidate"},
        {"Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c)"},
        {"Example-Header", "value, with, lots"}, {"Example-Header", "of, commas"}};
    const SignableMessage message{
        .method = "GET", .target = "/", .authority = "a", .status = {}, .headers = &headers};
    EXPECT_EQ(value_of(message, "\"x-ows-header\"").value(), "Leading and trailing whitespace.");
    EXPECT_EQ(value_of(message, "\"cache-control\"").value(), "max-age=60, must-revalidate");
    EXPECT_EQ(value_of(message, "\"example-dict\";sf").value(), "a=1, b=2;x=1;y=2, c=(a b c)");
    EXPECT_EQ(value_of(message, R"("example-dict";key="b")").value(), "2;x=1;y=2");
    EXPECT_EQ(value_of(message, R"("example-dict";key="c")").value(), "(a b c)");
    EXPECT_EQ(value_of(message, "\"example-header\";bs").value(),
        ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:");
}

TEST(SignatureBase, RefusesWhatCannotBeSigned) {
    for (const char* component : {"\"x-missing\"", "\"Date\"", "\"@nothing\"", "\"@status\"",
             "\"date\" \"date\"", "\"date\";new", "\"date\";tr", "\"@method\";req", "date",
             R"("content-digest";key="sha-1")", "\"date\";bs;sf", "\"@query-param\"",
             R"("@query-param";name="none")"}) {
        EXPECT_FALSE(signature_base(request(), input("(" + std::string(component) + ")")))
            << component;
    }
    SignableMessage repeated = request();
    repeated.target = "/?a=1&a=2";
    EXPECT_FALSE(signature_base(repeated, input(R"(("@query-param";name="a"))")));
}

TEST(SignatureBase, AResponseCanCoverItsRequest) {
    const SignableMessage asked = request();
    const Headers none;
    SignableMessage answer{.method = {},
        .target = {},
        .authority = {},
        .status = 503,
        .headers = &none,
        .trailers = &request_headers(),
        .request = &asked};
    EXPECT_EQ(value_of(answer, "\"@authority\";req").value(), "example.com");
    EXPECT_EQ(value_of(answer, "\"content-length\";tr").value(), "18");
    EXPECT_EQ(value_of(answer, "\"@status\"").value(), "503");
    EXPECT_FALSE(value_of(answer, "\"@method\""));
}

}  // namespace
}  // namespace decloud::protocol
