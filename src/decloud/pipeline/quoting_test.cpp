#include "quoting.hpp"

#include "testing/metered_service.hpp"

#include <decloud/protocol/known_answer.hpp>

#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

using protocol::Quote;
using protocol::Status;

constexpr UnixSeconds kNow{1000};

class QuotingTest : public ::testing::Test {
  protected:
    QuotingTest() {
        call_.service = quote_.service;
        call_.method = quote_.method;
        call_.audience = quote_.provider;
    }

    /// As the node answers a request that names `quote_`.
    protocol::Checked<std::shared_ptr<const Quote>> find() {
        const std::string text = json::to_text(protocol::sign_quote(quote_, signer_).value());
        call_.head.headers.set("OpenCloud-Quote", protocol::format_quote_header(text));
        return find_quote(call_, node_.public_key(), kNow);
    }

    crypto::Ed25519PrivateKey node_ = crypto::Ed25519PrivateKey::from_seed(Bytes(32, 1)).value();
    crypto::Ed25519PrivateKey signer_ = crypto::Ed25519PrivateKey::from_seed(Bytes(32, 1)).value();
    Quote quote_{.id = "00",
        .service = "metered",
        .method = "count",
        .units = {{"call", 1}},
        .price = {.currency = {testing::kMeteredAsset},
            .base = {},
            .per_unit = {{"call", Amount(40)}}},
        .amount = Amount(40),
        .issued = kNow,
        .expires = kNow,
        .provider = "eip155:1:0xaa"};
    protocol::Call call_;
};

TEST_F(QuotingTest, ARequestThatNamesNoneHasNone) {
    EXPECT_EQ(find_quote(call_, node_.public_key(), kNow).value(), nullptr);
}

TEST_F(QuotingTest, TheNodesOwnIsFoundUntilItExpires) {
    EXPECT_EQ(find().value()->amount, Amount(40));
    quote_.expires = {kNow.value - 1};
    EXPECT_EQ(find().error().status, Status::payment_acceptable);
}

TEST_F(QuotingTest, WhatTheNodeHasNotSignedIsMalformed) {
    signer_ = crypto::Ed25519PrivateKey::from_seed(Bytes(32, 2)).value();
    EXPECT_EQ(find().error().http_status, 400);
    call_.head.headers.set("OpenCloud-Quote", "?1");
    EXPECT_EQ(find_quote(call_, node_.public_key(), kNow).error().http_status, 400);
}

TEST_F(QuotingTest, OneOfAnotherCallIsWorthNothing) {
    for (std::string Quote::* member : {&Quote::service, &Quote::method, &Quote::provider}) {
        const std::string before = std::exchange(quote_.*member, "other");
        EXPECT_EQ(find().error().http_status, 402);
        quote_.*member = before;
    }
}

TEST_F(QuotingTest, OneThatWasMadeForSomebodyIsForThemAlone) {
    quote_.bound_to = "did:key:z6Mk";
    EXPECT_EQ(find().error().http_status, 402);
    call_.credentials = {{.kind = "opencloud", .id = "did:key:z6Mk"}};
    EXPECT_TRUE(find());
}

TEST_F(QuotingTest, ACallCostsWhatTheQuoteSaysAndCountsNoMore) {
    /// Costs nothing of its own.
    const auto prepared = [] { return protocol::make_known_answer("subject", {}); };
    quote_.price.currency = {};
    const auto priced = make_quoted_call(prepared(), quote_);
    ASSERT_TRUE(priced);
    EXPECT_EQ((*priced)->terms().max_price, Amount(40));
    quote_.units["call"] = 0;
    EXPECT_EQ(make_quoted_call(prepared(), quote_).error().status, Status::payment_too_low);
    quote_.price.currency = {"another"};
    EXPECT_EQ(make_quoted_call(prepared(), quote_).error().status, Status::payment_acceptable);
}

TEST(Delivered, IsADictionaryOfNumbers) {
    EXPECT_EQ(format_delivered({{"call", 1000}, {"cpu-second", 31}}), "call=1, cpu-second=0.031");
    EXPECT_EQ(format_delivered({}), "");
}

}  // namespace
}  // namespace decloud::pipeline
