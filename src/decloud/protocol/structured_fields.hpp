#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace decloud::protocol {

/// RFC 9651 §3.3.4: a word without quotes.
struct Token {
    std::string text;
    friend bool operator==(const Token&, const Token&) = default;
};
/// RFC 9651 §3.3.2: a number with at most three digits behind the point.
struct Decimal {
    std::int64_t thousandths = 0;
    friend bool operator==(const Decimal&, const Decimal&) = default;
};
/// RFC 9651 §3.3.7: seconds since 1970.
struct Date {
    std::int64_t seconds = 0;
    friend bool operator==(const Date&, const Date&) = default;
};
/// RFC 9651 §3.3.8: Unicode text, here as UTF-8.
struct DisplayString {
    std::string text;
    friend bool operator==(const DisplayString&, const DisplayString&) = default;
};
/// RFC 9651's bare items.
using BareItem =
    std::variant<bool, std::int64_t, std::string, Token, Bytes, Decimal, Date, DisplayString>;
/// In the order they were sent; of a repeated key the last value, in the first one's place.
using Parameters = std::vector<std::pair<std::string, BareItem>>;

/// Null if there is none. Lives as long as the parameters.
[[nodiscard]] const BareItem* find_parameter(const Parameters& parameters, std::string_view key);
/// The parameter's value if it is there and a `T`; null otherwise. Lives as long as the parameters.
template <class T>
[[nodiscard]] const T* find_parameter(const Parameters& parameters, std::string_view key) {
    const BareItem* found = find_parameter(parameters, key);
    return found == nullptr ? nullptr : std::get_if<T>(found);
}

/// An item with its parameters.
struct Item {
    BareItem value;
    Parameters parameters{};

    /// Null if there is none. Lives as long as the item.
    [[nodiscard]] const BareItem* parameter(std::string_view key) const;
    /// The parameter if it is there and a string.
    [[nodiscard]] std::optional<std::string> string_parameter(std::string_view key) const;
    /// The parameter if it is there and a byte sequence.
    [[nodiscard]] const Bytes* bytes_parameter(std::string_view key) const;
    friend bool operator==(const Item&, const Item&) = default;
};

/// RFC 9651 §3.1.1.
struct InnerList {
    std::vector<Item> items;
    Parameters parameters{};
    friend bool operator==(const InnerList&, const InnerList&) = default;
};
/// What lists and dictionaries are made of.
using Member = std::variant<Item, InnerList>;
/// RFC 9651 §3.1.
using List = std::vector<Member>;
/// RFC 9651 §3.2, its members in order; of a repeated key the last value, in the first one's place.
using Dictionary = std::vector<std::pair<std::string, Member>>;

/// Strict RFC 9651 §4.2. `text` is a whole field value (several fields of one name joined by
/// ", "), at most 64 KiB. Error: invalid_input.
[[nodiscard]] Result<Item> parse_item(std::string_view text);
[[nodiscard]] Result<List> parse_list(std::string_view text);
[[nodiscard]] Result<Dictionary> parse_dictionary(std::string_view text);

/// RFC 9651 §4.1. Error: invalid_input for what the format cannot carry.
[[nodiscard]] Result<std::string> serialize_item(const Item& item);
[[nodiscard]] Result<std::string> serialize_inner_list(const InnerList& list);
[[nodiscard]] Result<std::string> serialize_list(const List& list);
[[nodiscard]] Result<std::string> serialize_dictionary(const Dictionary& dictionary);

}  // namespace decloud::protocol
