#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::net::internal {

/// Which characters may stand where in HTTP: one table, one bit for each use.
inline constexpr std::uint8_t kToken = 1;
inline constexpr std::uint8_t kTarget = 2;
inline constexpr std::uint8_t kHost = 4;
inline constexpr std::uint8_t kValue = 8;
inline constexpr std::uint8_t kDigit = 16;

consteval std::array<std::uint8_t, 256> make_character_table() {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&](std::string_view characters, std::uint8_t bit) {
        for (const char character : characters) {
            table[static_cast<std::uint8_t>(character)] |= bit;
        }
    };
    constexpr std::string_view kLettersAndDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    mark(kLettersAndDigits, kToken | kHost);
    mark("0123456789", kDigit);
    mark("!#$%&'*+-.^_`|~", kToken);
    mark("-._", kHost);
    for (unsigned character = 0x21; character < 0x7f; ++character) {
        table[character] |= kTarget | kValue;
    }
    // RFC 3986 leaves out more, but browsers send ^ ` { | } as they are.
    for (const char character : std::string_view("#\"<>\\")) {
        table[static_cast<std::uint8_t>(character)] &= static_cast<std::uint8_t>(~kTarget);
    }
    for (unsigned character = 0x80; character < 0x100; ++character) {
        table[character] |= kValue;
    }
    table[' '] |= kValue;
    table['\t'] |= kValue;
    return table;
}

inline constexpr std::array<std::uint8_t, 256> kCharacters = make_character_table();

[[nodiscard]] inline bool has_kind(char character, std::uint8_t kind) {
    return (kCharacters[static_cast<std::uint8_t>(character)] & kind) != 0;
}
[[nodiscard]] inline bool is_token_character(char character) { return has_kind(character, kToken); }
[[nodiscard]] inline bool is_target_character(char character) {
    return has_kind(character, kTarget);
}
[[nodiscard]] inline bool is_host_character(char character) { return has_kind(character, kHost); }
[[nodiscard]] inline bool is_value_character(char character) { return has_kind(character, kValue); }
[[nodiscard]] inline bool is_digit(char character) { return has_kind(character, kDigit); }

[[nodiscard]] inline std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

/// Calls `use` with each element of a comma-separated list, without the spaces around it and
/// without empty ones. Quotes are not looked at: for lists of tokens.
template <class Use>
void for_each_token(std::string_view list, Use use) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view element = trim(list.substr(0, comma));
        if (!element.empty()) {
            use(element);
        }
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
}

}  // namespace decloud::net::internal
