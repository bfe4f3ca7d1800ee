#include "request_signer.hpp"

#include <decloud/identity/did_key.hpp>
#include <decloud/protocol/request_digest.hpp>
#include <decloud/protocol/request_signatures.hpp>
#include <decloud/protocol/response_signature.hpp>

#include <gtest/gtest.h>

namespace decloud::client {
namespace {

constexpr const char* kAudience = "eip155:31337:0x00000000000000000000000000000000000000aa";
constexpr const char* kTarget = "/p/alice/oc/v1/sha256/hash?arg=a%20b";

class RequestSignerTest : public ::testing::Test {
  protected:
    ManualClock clock_{UnixSeconds{1'800'000'000}};
    RequestSigner signer_{crypto::Ed25519PrivateKey::generate(), kAudience, clock_};
    crypto::Ed25519PrivateKey node_ = crypto::Ed25519PrivateKey::generate();
    crypto::Sha256Digest content_ = crypto::sha256("hello");
};

TEST_F(RequestSignerTest, WhatItSignsIsWhatANodeAsksFor) {
    net::http::Headers headers{{"OpenCloud-Payment", "none"}, {"Accept", "*/*"}};
    // Twice, as after a refreshed nonce.
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(signer_.sign("POST", kTarget, content_, headers));
    }
    const auto read = protocol::read_request_signatures(headers);
    ASSERT_TRUE(read) << read.error().detail;
    ASSERT_EQ(read->size(), 1U);
    EXPECT_EQ(read->at(0).id, signer_.id());
    EXPECT_TRUE(protocol::check_coverage(read->at(0), headers, {.has_body = true}));
    EXPECT_TRUE(protocol::check_times(read->at(0), clock_.unix_seconds()));
    EXPECT_TRUE(protocol::check_signature(read->at(0), {.method = "POST",
                                                           .target = kTarget,
                                                           .authority = "any",
                                                           .status = {},
                                                           .headers = &headers}));
}

TEST_F(RequestSignerTest, ItsOwnNonceIsTakenAndUsedOnce) {
    net::http::ResponseHead answer;
    answer.status = 401;
    answer.headers.add("OpenCloud-Status", "request-declined.refresh-nonce");
    answer.headers.add("OpenCloud-Nonce", "\"theirs\";keyid=\"did:key:zOther\"");
    EXPECT_FALSE(signer_.learn(answer));
    answer.headers.set("OpenCloud-Nonce",
        "\"theirs\";keyid=\"did:key:zOther\", \"mine\";keyid=\"" + signer_.id() + '"');
    EXPECT_TRUE(signer_.learn(answer));
    net::http::Headers headers;
    ASSERT_TRUE(signer_.sign("GET", "/", std::nullopt, headers));
    EXPECT_NE(headers.find("Signature-Input")->find("nonce=\"mine\""), std::string_view::npos);
    ASSERT_TRUE(signer_.sign("GET", "/", std::nullopt, headers));
    EXPECT_EQ(headers.find("Signature-Input")->find("nonce"), std::string_view::npos);
    answer.status = 200;
    EXPECT_FALSE(signer_.learn(answer));
    ASSERT_TRUE(signer_.sign("GET", "/", std::nullopt, headers));
    EXPECT_NE(headers.find("Signature-Input")->find("nonce=\"mine\""), std::string_view::npos);
}

TEST_F(RequestSignerTest, AnAnswerIsCheckedInHeadAndTrailers) {
    for (const bool trailers : {false, true}) {
        const auto body = crypto::sha256("answer");
        const Bytes32 request = protocol::request_digest({.method = "POST",
            .target = kTarget,
            .content_digest = content_,
            .audience = kAudience});
        const auto fields = protocol::sign_answer({.http_status = 200,
                                                      .opencloud_status = "ok",
                                                      .content_digest = body,
                                                      .request_digest = request,
                                                      .created = clock_.unix_seconds(),
                                                      .in_trailers = trailers},
            node_);
        net::http::ResponseHead head;
        head.headers.add("OpenCloud-Status", "ok");
        net::http::Headers behind;
        for (const auto field : fields) {
            (trailers ? behind : head.headers).add(field.name, field.value);
        }
        const std::string id = identity::to_did_key(node_.public_key());
        AnswerExpectation expected{.method = "POST",
            .target = kTarget,
            .request_content = content_,
            .audience = kAudience,
            .node_id = id};
        const auto good = check_answer(head, behind, body, expected);
        EXPECT_TRUE(good) << good.error().message();
        EXPECT_FALSE(check_answer(head, behind, crypto::sha256("other"), expected));
        net::http::ResponseHead worse = head;
        worse.status = 500;
        EXPECT_FALSE(check_answer(worse, behind, body, expected));
        worse = head;
        worse.headers.set("OpenCloud-Status", "server-error");
        EXPECT_FALSE(check_answer(worse, behind, body, expected));
        expected.target = "/elsewhere";
        EXPECT_FALSE(check_answer(head, behind, body, expected));
        expected.target = kTarget;
        expected.node_id = signer_.id();
        EXPECT_FALSE(check_answer(head, behind, body, expected));
    }
    EXPECT_EQ(check_answer({}, {}, content_, {}).error(), make_error_code(CommonError::not_found));
}

}  // namespace
}  // namespace decloud::client
