#include "structured_fields.hpp"

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

TEST(StructuredFields, ParsesAnAttachedPayment) {
    const auto item = parse_item(R"(attached;method="authorization";payload=:aGVsbG8=:)");
    ASSERT_TRUE(item) << item.error().message();
    EXPECT_EQ(std::get<Token>(item->value).text, "attached");
    EXPECT_EQ(item->string_parameter("method"), "authorization");
    EXPECT_EQ(*item->bytes_parameter("payload"), to_bytes("hello"));
    EXPECT_EQ(
        serialize_item(*item).value(), R"(attached;method="authorization";payload=:aGVsbG8=:)");
}

TEST(StructuredFields, RefusesWhatTheRfcRefuses) {
    for (const char* text : {"", "a b", "\"open", "\"\\n\"", ":a:", "?2", "1234567890123456", "-",
             "a;", "a;B=1", "a,b", "1.2345", "\"\x7f\"", "\"\xc3\xa9\""}) {
        EXPECT_FALSE(parse_item(text)) << text;
    }
}

TEST(StructuredFields, DictionaryKeepsTheLastOfTwoEqualKeys) {
    const auto dictionary = parse_dictionary("sha-256=:AAAA:, a=1,  sha-256=:AQID:;x");
    ASSERT_TRUE(dictionary);
    ASSERT_EQ(dictionary->size(), 2U);
    EXPECT_EQ(std::get<Bytes>(std::get<Item>((*dictionary)[0].second).value), (Bytes{1, 2, 3}));
    EXPECT_FALSE(parse_dictionary("a=1,"));
    EXPECT_FALSE(parse_dictionary("a=1 b=2"));
    EXPECT_TRUE(parse_dictionary("")->empty());
}

TEST(StructuredFields, ARepeatedParameterKeepsItsLastValueInTheFirstOnesPlace) {
    const auto item = parse_item("x;a=1;b=2;a=3");
    ASSERT_TRUE(item);
    EXPECT_EQ(serialize_item(*item).value(), "x;a=3;b=2");
}

}  // namespace
}  // namespace decloud::protocol
