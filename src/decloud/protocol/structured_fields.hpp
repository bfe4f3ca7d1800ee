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
/// RFC 9651's bare items, but for dates and decimals, which no header of ours uses.
using BareItem = std::variant<bool, std::int64_t, std::string, Token, Bytes>;

/// An item with its parameters in the order they were sent; a repeated key keeps its last value.
struct Item {
    BareItem value;
    std::vector<std::pair<std::string, BareItem>> parameters;

    /// Null if there is none. Lives as long as the item.
    [[nodiscard]] const BareItem* parameter(std::string_view key) const;
    /// The parameter if it is there and a string.
    [[nodiscard]] std::optional<std::string> string_parameter(std::string_view key) const;
    /// The parameter if it is there and a byte sequence.
    [[nodiscard]] const Bytes* bytes_parameter(std::string_view key) const;
};

/// RFC 9651 §3.2, its members in order; items only (no inner lists).
using Dictionary = std::vector<std::pair<std::string, Item>>;

/// Strict RFC 9651 §4.2.3. `text` is a whole field value, at most 16 KiB. Error: invalid_input.
[[nodiscard]] Result<Item> parse_item(std::string_view text);
[[nodiscard]] Result<Dictionary> parse_dictionary(std::string_view text);

/// RFC 9651 §4.1. Error: invalid_input for text that the format cannot carry.
[[nodiscard]] Result<std::string> serialize_item(const Item& item);

}  // namespace decloud::protocol
