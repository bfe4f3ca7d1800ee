#include "promise.hpp"

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

Result<Promise> parse(std::string_view field) {
    TRY(const PaymentHeader header, parse_payment_header(field));
    return parse_promise(header);
}

TEST(Promise, IsReadAsItIsWritten) {
    const Promise promise{.id = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        .amount = Amount(1000),
        .currency = {"eip155:31337/erc20:0x01"},
        .due = {1'795'230'000},
        .threshold = Amount(50'000),
        .key = "a1"};
    const auto field = format_promise(promise);
    ASSERT_TRUE(field);
    EXPECT_EQ(*field,
        "defer;id=\"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\";amount=1000;"
        "currency=\"eip155:31337/erc20:0x01\";due=1795230000;threshold=50000;key=\"a1\"");
    EXPECT_EQ(parse(*field).value(), promise);
}

TEST(Promise, WithoutOneOfItsPartsIsRefusedByName) {
    const std::string whole = R"(;id="did:key:z6Mk";amount=5;currency="BTC";due=9;threshold=7)";
    ASSERT_TRUE(parse("defer" + whole));
    for (const std::string part : {"id", "amount", "currency", "due", "threshold"}) {
        std::string without = whole;
        const std::size_t from = without.find(";" + part + "=");
        const std::size_t to = without.find(';', from + 1);
        without.erase(from, to == std::string::npos ? to : to - from);
        const auto parsed = parse("defer" + without);
        ASSERT_FALSE(parsed) << part;
        EXPECT_NE(parsed.error().detail().find(part), std::string::npos) << parsed.error().detail();
    }
    EXPECT_FALSE(parse(R"(defer;id="did:key:z6Mk";amount=-5;currency="BTC";due=9;threshold=7)"));
    EXPECT_FALSE(parse(R"(defer;id="did:key:z6Mk";amount="5";currency="BTC";due=9;threshold=7)"));
    EXPECT_FALSE(parse("defer" + whole + ";key=\"" + std::string(65, 'k') + "\""));
}

TEST(Promise, OfMoreThanAStructuredFieldCarriesIsNotWritten) {
    EXPECT_FALSE(format_promise({.id = "did:key:z6Mk",
        .amount = Amount(Uint128{1'000'000'000'000'000}),
        .currency = {"BTC"},
        .due = {9},
        .threshold = {}}));
}

}  // namespace
}  // namespace decloud::protocol
