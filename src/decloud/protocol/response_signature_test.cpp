#include "response_signature.hpp"

#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

SignedAnswer example() {
    SignedAnswer answer;
    answer.opencloud_status = "ok";
    answer.content_digest = crypto::sha256(std::string_view("hello\n"));
    answer.request_digest.bytes.fill(7);
    answer.created = {1'700'000'000};
    return answer;
}

/// The value of `oc` in a Signature field.
Bytes signature_of(const net::http::Headers& headers) {
    const auto members = parse_dictionary(headers.find("Signature").value()).value();
    return std::get<Bytes>(std::get<Item>(members.at(0).second).value);
}

TEST(ResponseSignature, VerifiesOverTheBaseThatItsInputNames) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    for (const bool trailers : {false, true}) {
        SignedAnswer answer = example();
        answer.in_trailers = trailers;
        const auto headers = sign_answer(answer, key);
        const std::string params(headers.find("Signature-Input").value().substr(3));
        const std::string base = answer_signature_base(answer, params);
        EXPECT_TRUE(crypto::verify(key.public_key(), as_bytes(base), signature_of(headers)));
        EXPECT_EQ(params.find("\"content-digest\";tr") != std::string::npos, trailers);
    }
}

TEST(ResponseSignature, AnotherRequestOrStatusDoesNotVerify) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    SignedAnswer answer = example();
    const auto headers = sign_answer(answer, key);
    const std::string params(headers.find("Signature-Input").value().substr(3));
    answer.request_digest.bytes[0] = 8;
    EXPECT_FALSE(crypto::verify(
        key.public_key(), as_bytes(answer_signature_base(answer, params)), signature_of(headers)));
    answer = example();
    answer.http_status = 500;
    EXPECT_FALSE(crypto::verify(
        key.public_key(), as_bytes(answer_signature_base(answer, params)), signature_of(headers)));
}

}  // namespace
}  // namespace decloud::protocol
