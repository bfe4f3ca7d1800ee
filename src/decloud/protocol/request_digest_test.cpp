#include "request_digest.hpp"

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

TEST(RequestDigest, BaseHasExactlyTheDesignsLines) {
    const Address provider = parse_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8").value();
    const std::string to = audience(31337, provider);
    const DigestedRequest request{.method = "POST",
        .target = "/bafy/x%20y?width=200",
        .content_digest = crypto::sha256(std::string_view()),
        .audience = to};
    EXPECT_EQ(request_signature_base(request),
        "\"@method\": POST\n"
        "\"@path\": /bafy/x%20y\n"
        "\"@query\": ?width=200\n"
        "\"content-digest\": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n"
        "\"opencloud-audience\": eip155:31337:0x70997970c51812dc3a010c7d01b50e0d17dc79c8\n"
        "\"@signature-params\": (\"@method\" \"@path\" \"@query\" \"content-digest\" "
        "\"opencloud-audience\")");
}

TEST(RequestDigest, AnEmptyAndAnAbsentQueryAreTheSame) {
    DigestedRequest request{.method = "GET", .target = "/a", .content_digest = {}, .audience = "x"};
    const Bytes32 absent = request_digest(request);
    request.target = "/a?";
    EXPECT_EQ(request_digest(request), absent);
    request.target = "/a?b";
    EXPECT_NE(request_digest(request), absent);
}

TEST(ContentDigest, RoundTripsAndRefusesWrongLength) {
    const auto digest = crypto::sha256(std::string_view("x"));
    EXPECT_EQ(parse_content_digest(format_content_digest(digest)).value(), digest);
    EXPECT_FALSE(parse_content_digest("sha-256=:AAAA:"));
    EXPECT_EQ(
        parse_content_digest("sha-512=:AAAA:").error(), make_error_code(CommonError::not_found));
}

}  // namespace
}  // namespace decloud::protocol
