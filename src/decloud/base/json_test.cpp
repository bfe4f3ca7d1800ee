#include "json.hpp"

#include <gtest/gtest.h>

namespace decloud::json {
namespace {

TEST(CanonicalJson, SortsByUtf16CodeUnitsAsRfc8785Does) {
    const auto value = parse(
        R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"})");
    ASSERT_TRUE(value);
    EXPECT_EQ(canonical(*value).value(),
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"Latin "
        "Small "
        "Letter O With Diaeresis\",\"\u20ac\":\"Euro Sign\",\"\U0001F600\":\"Emoji: Grinning "
        "Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST(CanonicalJson, RefusesNumbersThatCouldChange) {
    EXPECT_FALSE(canonical(parse("1.5").value()));
    EXPECT_FALSE(canonical(parse("9007199254740993").value()));
    EXPECT_EQ(
        canonical(parse("[0,-7,9007199254740992]").value()).value(), "[0,-7,9007199254740992]");
}

TEST(Json, RefusesDuplicateNamesDepthAndSize) {
    EXPECT_FALSE(parse(R"({"a":1,"a":2})"));
    EXPECT_FALSE(parse(R"([{"b":{"a":1,"c":0,"a":2}}])"));
    EXPECT_TRUE(parse(R"({"a":{"a":1}})"));
    EXPECT_FALSE(parse("[[[[1]]]]", {.max_bytes = 100, .max_depth = 3}));
    EXPECT_FALSE(parse("[1,2,3]", {.max_bytes = 3, .max_depth = 3}));
    EXPECT_FALSE(parse("{} x"));
}

TEST(Json, MembersSayWhichOneIsWrong) {
    const Object object = parse(R"({"n":-1,"s":"x"})").value().as_object();
    EXPECT_EQ(string_member(object, "s").value(), "x");
    EXPECT_NE(uint_member(object, "n").error().message().find("\"n\""), std::string::npos);
    EXPECT_FALSE(string_member(object, "missing"));
}

}  // namespace
}  // namespace decloud::json
