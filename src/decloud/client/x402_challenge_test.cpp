#include "x402_challenge.hpp"

#include "error.hpp"
#include "x402_payer.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/payments/x402_message.hpp>

#include <gtest/gtest.h>

#include <functional>

namespace decloud::client {
namespace {

constexpr std::string_view kUsdc = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
constexpr std::string_view kShop = "0x209693bc6afc0c5328ba36faf03c514ef312287c";

TokenId usdc() { return {84532, parse_address(kUsdc).value()}; }

json::Object row(int version, std::string_view amount) {
    return {{"scheme", "exact"}, {"network", version == 1 ? "base-sepolia" : "eip155:84532"},
        {version == 1 ? "maxAmountRequired" : "amount", amount}, {"asset", kUsdc}, {"payTo", kShop},
        {"maxTimeoutSeconds", 60}, {"resource", "http://shop/"},
        {"extra", json::Object{{"name", "USDC"}, {"version", "2"}}}};
}

json::Object required(int version, json::Array rows) {
    json::Object out{{"x402Version", version}, {"error", "pay"}, {"accepts", std::move(rows)}};
    if (version == 2) {
        out["resource"] = json::Object{{"url", "http://shop/"}};
    }
    return out;
}

std::string header(const json::Object& object) {
    return to_base64(as_bytes(json::to_text(object)));
}

Bytes body(const json::Object& object) { return to_bytes(json::to_text(object)); }

TEST(X402Challenge, ReadsTheHeaderBeforeTheBody) {
    const auto second = required(2, {row(2, "2000")});
    const auto first = required(1, {row(1, "1000")});
    const auto both = read_x402_challenge(header(second), body(first));
    ASSERT_TRUE(both) << both.error().message();
    EXPECT_EQ(both->version, 2);
    EXPECT_EQ(both->terms.at(0).amount, Amount(2000));
    EXPECT_EQ(both->terms.at(0).row, row(2, "2000"));
    const auto old = read_x402_challenge(std::nullopt, body(first));
    ASSERT_TRUE(old) << old.error().message();
    EXPECT_EQ(old->version, 1);
    EXPECT_EQ(old->terms.at(0).token, usdc());
    EXPECT_EQ(read_x402_challenge("!", body(first))->version, 1);
    EXPECT_EQ(read_x402_challenge(header(required(2, {})), body(first))->version, 1);
}

TEST(X402Challenge, SkipsRowsOfOtherKinds) {
    const std::vector<std::function<void(json::Object&)>> others{
        [](json::Object& o) { o["scheme"] = "upto"; },
        [](json::Object& o) { o["network"] = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"; },
        [](json::Object& o) { o["network"] = "eip155:0x1"; },
        [](json::Object& o) { o["asset"] = "0x12"; },
        [](json::Object& o) { o["payTo"] = "0x" + std::string(40, '0'); },
        [](json::Object& o) { o["amount"] = "1.5"; },
        [](json::Object& o) { o["amount"] = 1000; },
        [](json::Object& o) { o["maxTimeoutSeconds"] = -1; },
        [](json::Object& o) { o.erase("extra"); },
        [](json::Object& o) {
            o["extra"] = json::Object{
                {"name", "USDC"}, {"version", "2"}, {"assetTransferMethod", "permit2"}};
        },
        [](json::Object& o) { o["extra"] = json::Object{{"name", "USDC"}}; },
    };
    json::Array rows;
    for (const auto& change : others) {
        json::Object changed = row(2, "1");
        change(changed);
        rows.emplace_back(changed);
    }
    rows.emplace_back("not a row");
    rows.emplace_back(row(2, "1000"));
    const auto read = parse_x402_header(header(required(2, rows)));
    ASSERT_TRUE(read) << read.error().message();
    ASSERT_EQ(read->terms.size(), 1U);
    EXPECT_EQ(read->terms[0].amount, Amount(1000));
    EXPECT_EQ(read->skipped, others.size() + 1);
}

TEST(X402Challenge, IsRefusedWhenItCannotBeRead) {
    for (const char* text : {"", "{}", "[]", "<html>", R"({"x402Version":2,"accepts":[]})",
             R"({"x402Version":1,"accepts":{}})"}) {
        EXPECT_FALSE(read_x402_challenge(std::nullopt, as_bytes(std::string_view(text)))) << text;
    }
    json::Array many;
    for (int i = 0; i < 65; ++i) {
        many.emplace_back(row(1, "1"));
    }
    EXPECT_FALSE(parse_x402_body(body(required(1, many))));
    EXPECT_FALSE(parse_x402_header(std::string(kMaxChallengeHeader + 4, 'A')));
}

TEST(X402Challenge, TheCheapestRowInAKnownTokenIsChosen) {
    json::Object foreign = row(2, "1");
    foreign["network"] = "eip155:1";
    const auto read = parse_x402_header(
        header(required(2, {foreign, row(2, "3000"), row(2, "2000"), row(2, "2500")})));
    ASSERT_TRUE(read);
    EXPECT_EQ(choose_terms(*read, {usdc()})->amount, Amount(2000));
    const auto none = choose_terms(*read, {{31337, usdc().address}});
    ASSERT_FALSE(none);
    EXPECT_TRUE(none.error() == make_error_code(ClientError::payment));
    EXPECT_NE(none.error().detail().find("eip155:1/erc20:"), std::string::npos);
    EXPECT_EQ(choose_terms(*read, {{1, usdc().address}})->amount, Amount(1));
}

TEST(X402Challenge, TokensAreReadBackAsTheyAreWritten) {
    EXPECT_EQ(parse_token_id(usdc().to_string()).value(), usdc());
    for (const char* text : {"", "eip155:84532", "eip155:/erc20:0x", "eip155:01/erc20:0x00",
             "eip155:1/erc721:0x036cbd53842c5426634e7929541ec2318f3dcf7e"}) {
        EXPECT_FALSE(parse_token_id(text)) << text;
    }
}

TEST(X402Challenge, ReadsWhatBecameOfAPayment) {
    const std::string hash = "0x" + std::string(64, 'a');
    const auto good = parse_x402_settlement(header({{"success", true}, {"transaction", hash}}));
    ASSERT_TRUE(good);
    EXPECT_TRUE(good->success);
    EXPECT_EQ(to_string(good->transaction.value()), hash);
    const auto bad = parse_x402_settlement(
        header({{"success", false}, {"transaction", ""}, {"errorReason", "insufficient_funds"}}));
    ASSERT_TRUE(bad);
    EXPECT_FALSE(bad->success);
    EXPECT_FALSE(bad->transaction);
    EXPECT_EQ(bad->error, "insufficient_funds");
    EXPECT_FALSE(parse_x402_settlement("AAAA"));
}

TEST(X402Payer, WhatItSignsIsWhatAServerReads) {
    const AccountSigner signer(crypto::Secp256k1PrivateKey::generate());
    Bytes32 nonce;
    nonce.bytes.fill(7);
    for (const int version : {1, 2}) {
        const json::Object asked = required(version, {row(version, "1000")});
        const auto challenge =
            version == 2 ? parse_x402_header(header(asked)) : parse_x402_body(body(asked));
        ASSERT_TRUE(challenge) << challenge.error().message();
        const auto payment =
            sign_x402_payment(*challenge, challenge->terms.at(0), signer, nonce, {1'800'000'000});
        ASSERT_TRUE(payment);
        net::http::Headers headers;
        headers.add(payment->header, payment->value);
        const auto field = payments::read_x402_headers(headers);
        ASSERT_TRUE(field && *field);
        const auto read = payments::parse_x402_payment((*field)->payload);
        ASSERT_TRUE(read) << read.error().message();
        EXPECT_EQ(read->version, version);
        EXPECT_EQ(read->authorization.value, Amount(1000));
        EXPECT_EQ(read->authorization.to, parse_address(kShop).value());
        EXPECT_EQ(read->authorization.valid_before, 1'800'000'000U);
        const Bytes32 domain = payments::token_domain("USDC", "2", 84532, usdc().address);
        EXPECT_EQ(crypto::recover(payments::authorization_digest(read->authorization, domain),
                      read->authorization.signature.view())
                      .value(),
            signer.address());
    }
}

}  // namespace
}  // namespace decloud::client
