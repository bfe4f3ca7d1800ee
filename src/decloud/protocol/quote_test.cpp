#include "quote.hpp"

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

crypto::Ed25519PrivateKey key_of(std::uint8_t byte) {
    return crypto::Ed25519PrivateKey::from_seed(Bytes(32, byte)).value();
}

Quote example() {
    return {.id = "00",
        .service = "sha256",
        .method = "hash",
        .units = {{"call", 1}, {"request-kib", 3}},
        .price = {.currency = {"eip155:1/erc20:0x01"},
            .base = Amount(100),
            .per_unit = {{"request-kib", Amount(2)}},
            .least = Amount(103)},
        .amount = Amount(106),
        .issued = {1000},
        .expires = {1600},
        .provider = "eip155:1:0xaa",
        .bound_to = "did:key:z6Mk"};
}

std::string signed_text(const Quote& quote) {
    return json::to_text(sign_quote(quote, key_of(1)).value());
}

TEST(Quote, IsReadAsItWasSigned) {
    const auto header = format_quote_header(signed_text(example()));
    const auto read = parse_quote(parse_quote_header(header).value(), key_of(1).public_key());
    ASSERT_TRUE(read) << read.error().detail();
    EXPECT_EQ(read->method, "hash");
    EXPECT_EQ(read->units, example().units);
    EXPECT_EQ(read->price.least, Amount(103));
    EXPECT_EQ(read->amount, Amount(106));
    EXPECT_EQ(read->expires.value, 1600U);
    EXPECT_EQ(read->bound_to, "did:key:z6Mk");
}

TEST(Quote, OfAnotherKeyOrWithAnotherWordIsRefused) {
    const std::string text = signed_text(example());
    EXPECT_FALSE(parse_quote(text, key_of(2).public_key()));
    for (const char* word : {"106", "hash", "1600", "request-kib", "z6Mk"}) {
        std::string changed = text;
        changed[changed.find(word)] = '5';
        EXPECT_FALSE(parse_quote(changed, key_of(1).public_key())) << word;
    }
    EXPECT_FALSE(parse_quote("[]", key_of(1).public_key()));
    EXPECT_FALSE(parse_quote(std::string(kMaxQuoteBytes + 1, ' '), key_of(1).public_key()));
    EXPECT_FALSE(parse_quote_header("\"text\""));
    EXPECT_FALSE(parse_quote_header(format_quote_header(std::string(kMaxQuoteBytes + 1, ' '))));
}

TEST(Quote, IsPricedByItsRatesUpToItsUnits) {
    EXPECT_EQ(price_by(example(), {{"request-kib", 3}}), Amount(106));
    EXPECT_EQ(price_by(example(), {{"request-kib", 1}}), Amount(103)) << "at least";
    EXPECT_EQ(price_by(example(), {{"cpu-second", 9}}), Amount(103)) << "without a bound";
    EXPECT_FALSE(price_by(example(), {{"request-kib", 4}}));
    EXPECT_FALSE(price_by(example(), {{"call", 2}}));
}

}  // namespace
}  // namespace decloud::protocol
