#include "structured_fields.hpp"

#include <decloud/base/json.hpp>
#include <decloud/multiformats/multibase.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace decloud::protocol {
namespace {

/// The HTTP working group's cases, as tests/vectors/structured-fields/README.md says.
const json::Object& corpus() {
    static const json::Object all = [] {
        const char* source = std::getenv("DECLOUD_SOURCE_DIR");
        std::ifstream file(std::string(source == nullptr ? "." : source) +
                           "/tests/vectors/structured-fields/cases.json");
        const std::string text(std::istreambuf_iterator<char>(file), {});
        return json::parse(text, {.max_bytes = 1U << 20U, .max_depth = 32}).value().as_object();
    }();
    return all;
}

std::string text_of(const json::Value& value) { return std::string(value.as_string()); }

BareItem typed_item(const json::Object& object) {
    const std::string type = text_of(object.at("__type"));
    const json::Value& value = object.at("value");
    if (type == "token") {
        return Token{text_of(value)};
    }
    if (type == "date") {
        return Date{value.to_number<std::int64_t>()};
    }
    if (type == "displaystring") {
        return DisplayString{text_of(value)};
    }
    EXPECT_EQ(type, "binary");
    std::string base32 = text_of(value);
    base32.erase(std::min(base32.find('='), base32.size()));
    for (char& c : base32) {
        c = static_cast<char>(std::tolower(c));
    }
    return multiformats::decode_multibase("b" + base32).value().bytes;
}

BareItem bare_item(const json::Value& value) {
    if (value.is_bool()) {
        return value.as_bool();
    }
    if (value.is_string()) {
        return text_of(value);
    }
    if (value.is_double()) {
        return Decimal{static_cast<std::int64_t>(std::nearbyint(value.as_double() * 1000))};
    }
    if (value.is_object()) {
        return typed_item(value.as_object());
    }
    return value.to_number<std::int64_t>();
}

Parameters parameters_of(const json::Value& value) {
    Parameters out;
    for (const json::Value& each : value.as_array()) {
        out.emplace_back(text_of(each.at(0)), bare_item(each.at(1)));
    }
    return out;
}

Item item_of(const json::Value& value) {
    return {.value = bare_item(value.at(0)), .parameters = parameters_of(value.at(1))};
}

Member member_of(const json::Value& value) {
    if (!value.at(0).is_array()) {
        return item_of(value);
    }
    InnerList list;
    for (const json::Value& each : value.at(0).as_array()) {
        list.items.push_back(item_of(each));
    }
    list.parameters = parameters_of(value.at(1));
    return list;
}

List list_of(const json::Value& value) {
    List out;
    for (const json::Value& each : value.as_array()) {
        out.push_back(member_of(each));
    }
    return out;
}

Dictionary dictionary_of(const json::Value& value) {
    Dictionary out;
    for (const json::Value& each : value.as_array()) {
        out.emplace_back(text_of(each.at(0)), member_of(each.at(1)));
    }
    return out;
}

std::string joined(const json::Value& raw) {
    std::string out;
    for (const json::Value& line : raw.as_array()) {
        out += (&line == &raw.as_array().front() ? "" : ", ") + text_of(line);
    }
    return out;
}

/// Parses, compares with what is expected, writes it again and compares that.
template <class Value>
void check_case(const json::Object& test,
    Result<Value> (*parse)(std::string_view),
    Result<std::string> (*serialize)(const Value&),
    Value (*expected)(const json::Value&)) {
    const std::string raw = joined(test.at("raw"));
    const auto parsed = parse(raw);
    if (test.contains("must_fail") && test.at("must_fail").as_bool()) {
        EXPECT_FALSE(parsed) << raw;
        return;
    }
    if (!parsed && test.contains("can_fail")) {
        return;
    }
    ASSERT_TRUE(parsed) << raw << ": " << parsed.error().message();
    EXPECT_TRUE(*parsed == expected(test.at("expected"))) << raw;
    const json::Value& canonical =
        test.contains("canonical") ? test.at("canonical") : test.at("raw");
    EXPECT_EQ(serialize(*parsed).value(), joined(canonical));
}

template <class Value>
void check_serialization(const json::Object& test,
    Result<std::string> (*serialize)(const Value&),
    Value (*given)(const json::Value&)) {
    const auto text = serialize(given(test.at("expected")));
    if (test.contains("must_fail") && test.at("must_fail").as_bool()) {
        EXPECT_FALSE(text) << *text;
        return;
    }
    ASSERT_TRUE(text) << text.error().message();
    EXPECT_EQ(*text, joined(test.at("canonical")));
}

TEST(StructuredFieldsCorpus, EveryCaseIsReadAndWrittenAsTheWorkingGroupExpects) {
    std::size_t count = 0;
    for (const auto& [file, cases] : corpus()) {
        const bool writes = file.starts_with("serialise-");
        for (const json::Value& each : cases.as_array()) {
            const json::Object& test = each.as_object();
            SCOPED_TRACE(std::string(file) + ": " + text_of(test.at("name")));
            const std::string type = text_of(test.at("header_type"));
            ++count;
            if (type == "item") {
                writes ? check_serialization<Item>(test, serialize_item, item_of)
                       : check_case<Item>(test, parse_item, serialize_item, item_of);
            } else if (type == "list") {
                writes ? check_serialization<List>(test, serialize_list, list_of)
                       : check_case<List>(test, parse_list, serialize_list, list_of);
            } else {
                writes ? check_serialization<Dictionary>(test, serialize_dictionary, dictionary_of)
                       : check_case<Dictionary>(
                             test, parse_dictionary, serialize_dictionary, dictionary_of);
            }
        }
    }
    EXPECT_EQ(count, 2135U);
}

}  // namespace
}  // namespace decloud::protocol
