#include "request_signatures.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

using net::http::Headers;

constexpr const char* kDid = "did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG";
constexpr const char* kTarget = "/oc/v1/store/put?arg=.&arg=docs%2Fa.txt";

/// The worked example of the binding, signed by the RFC's test-key-ed25519.
Headers example() {
    return {{"Content-Digest", "sha-256=:u3MeLSWNaV/Q1sYfr7t9ksr3V+jRyN77rdVDBUKNscs=:"},
        {"Content-Type", "application/octet-stream"},
        {"OpenCloud-Payment", "defer;amount=1500;currency=\"BTC\""},
        {"Signature-Input",
            std::string("oc=(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" "
                        "\"opencloud-payment\");created=1767225600;expires=1767225660;nonce="
                        "\"q3Yx0c5w2Jg\";keyid=\"") +
                kDid + "\";alg=\"ed25519\";tag=\"opencloud\""},
        {"Signature",
            "oc=:"
            "S9tChN9jEWuwLX4rxsp7cEInMgxCn2Bmzw3lYJr2HfYoaWGKUqdccp3jZUfFstAYDVyzkAEnb4H0t9lzdrJACQ"
            "==:"}};
}

SignableMessage message(const Headers& headers) {
    return {.method = "POST",
        .target = kTarget,
        .authority = "node.example",
        .status = {},
        .headers = &headers};
}

RequestSignature only(const Headers& headers) {
    auto read = read_request_signatures(headers);
    EXPECT_TRUE(read) << (read ? "" : read.error().detail);
    EXPECT_EQ(read->size(), 1U);
    return read->at(0);
}

TEST(RequestSignatures, TheWorkedExampleVerifies) {
    const Headers headers = example();
    const RequestSignature signature = only(headers);
    EXPECT_EQ(signature.id, kDid);
    EXPECT_EQ(signature.nonce, "q3Yx0c5w2Jg");
    EXPECT_EQ(signature.created, UnixSeconds{1'767'225'600});
    EXPECT_EQ(signature.expires, UnixSeconds{1'767'225'660});
    const auto base = signature_base(message(headers), signature.input);
    ASSERT_TRUE(base);
    EXPECT_EQ(to_hex(crypto::sha256(*base)),
        "7f41f2b03b2c8bca41737e8e6f31143d20616ebb5436211c654a96fe285bf28d");
    EXPECT_TRUE(check_signature(signature, message(headers)));
    EXPECT_TRUE(check_coverage(signature, headers, {.has_body = true, .own_authority = true}));
}

TEST(RequestSignatures, AChangeOfAnythingCoveredIsNoticed) {
    const Headers headers = example();
    const RequestSignature signature = only(headers);
    SignableMessage changed = message(headers);
    changed.method = "PUT";
    EXPECT_FALSE(check_signature(signature, changed));
    changed = message(headers);
    changed.target = "/oc/v1/store/put?arg=.&arg=docs%2Fb.txt";
    EXPECT_FALSE(check_signature(signature, changed));
    changed = message(headers);
    changed.authority = "other.example";
    EXPECT_FALSE(check_signature(signature, changed));
    Headers cheaper = headers;
    cheaper.set("OpenCloud-Payment", "defer;amount=1;currency=\"BTC\"");
    EXPECT_EQ(check_signature(signature, message(cheaper)).error().http_status, 401);
    Headers without = headers;
    without.remove("Content-Type");
    EXPECT_FALSE(check_signature(signature, message(without)));
}

TEST(RequestSignatures, SayWhatTheyDoNotCover) {
    const Headers headers = example();
    const RequestSignature signature = only(headers);
    const auto elsewhere = check_coverage(signature, headers, {.has_body = true});
    ASSERT_FALSE(elsewhere);
    EXPECT_NE(elsewhere.error().detail.find(R"("@path" "@query" "opencloud-audience")"),
        std::string::npos)
        << elsewhere.error().detail;
    Headers more = headers;
    more.add("OpenCloud-Credential", "\"0x\"");
    const auto uncovered =
        check_coverage(signature, more, {.has_body = true, .own_authority = true});
    ASSERT_FALSE(uncovered);
    EXPECT_NE(uncovered.error().detail.find("opencloud-credential"), std::string::npos);
}

TEST(RequestSignatures, TimesAreComparedWithinThirtySeconds) {
    const RequestSignature signature = only(example());
    EXPECT_TRUE(check_times(signature, {1'767'225'600 + 30}));
    EXPECT_TRUE(check_times(signature, {1'767'225'600 - 30}));
    const auto late = check_times(signature, {1'767'225'600 + 31});
    ASSERT_FALSE(late);
    EXPECT_NE(late.error().detail.find("31 s before"), std::string::npos) << late.error().detail;
    EXPECT_FALSE(check_times(signature, {1'767'225'600 - 31}));
    RequestSignature brief = signature;
    brief.expires = UnixSeconds{1'767'225'605};
    EXPECT_FALSE(check_times(brief, {1'767'225'606}));
}

TEST(RequestSignatures, WhatIsMalformedIsRefused) {
    const std::string good = "(\"@method\");created=1;keyid=\"" + std::string(kDid) + "\"";
    const struct {
        std::string input;
        std::string signature;
    } cases[] = {
        {"oc=" + good, "oc"},
        {"oc=" + good, "other=:AA==:"},
        {"oc=1", "oc=:AA==:"},
        {"oc=(method);created=1;keyid=\"" + std::string(kDid) + "\"", "oc=:AA==:"},
        {"oc=(\"@method\");keyid=\"" + std::string(kDid) + "\"", "oc=:AA==:"},
        {"oc=(\"@method\");created=1", "oc=:AA==:"},
        {"oc=(\"@method\");created=1;keyid=\"did:web:a\"", "oc=:AA==:"},
        {"oc=(\"@method\");created=1;keyid=\"key\"", "oc=:AA==:"},
        {"oc=" + good + ";alg=\"rsa-pss-sha512\"", "oc=:AA==:"},
        {"oc=" + good + ";created=-1", "oc=:AA==:"},
        {"oc=" + good + ", oc2=" + good, "oc=:AA==:, oc2=:AA==:"},
        {"oc=" + good + ",", "oc=:AA==:"},
        {"", "oc=:AA==:"},
    };
    for (const auto& each : cases) {
        const Headers headers{{"Signature-Input", each.input}, {"Signature", each.signature}};
        const auto read = read_request_signatures(headers);
        ASSERT_FALSE(read) << each.input;
        EXPECT_EQ(read.error().http_status, 401);
        EXPECT_EQ(read.error().status, Status::invalid_signature);
    }
}

TEST(RequestSignatures, OthersSignaturesAreLeftToOthers) {
    const Headers headers{
        {"Signature-Input", "bot=(\"@authority\");created=1;keyid=\"a\";tag=\"web-bot-auth\""},
        {"Signature", "bot=:AA==:"}};
    const auto read = read_request_signatures(headers);
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->empty());
    EXPECT_TRUE(read_request_signatures({})->empty());
}

TEST(RequestSignatures, AFreshNonceIsAskedForWithTheClientsOwnComponents) {
    const RequestSignature signature = only(example());
    EXPECT_EQ(accept_signature(signature, "fresh"),
        R"(oc=("@method" "@target-uri" "content-digest" "content-type" "opencloud-payment");created;)"
        R"(keyid="did:key:z6Mkh4LmfP1ev9MNPGr7JbEbtD6BD4fsu1duEj83PMCs3xHG";nonce="fresh";)"
        R"(tag="opencloud")");
}

}  // namespace
}  // namespace decloud::protocol
