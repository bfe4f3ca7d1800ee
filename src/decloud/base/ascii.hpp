#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace decloud {

/// Of the letters A to Z; every other byte stays. Whatever the locale.
[[nodiscard]] constexpr char to_lower(char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character + ('a' - 'A'))
                                                : character;
}

/// Each byte as above.
[[nodiscard]] inline std::string to_lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char character) { return to_lower(character); });
    return out;
}

/// True if both differ in the case of letters at most.
[[nodiscard]] inline bool equals_ignoring_case(std::string_view a, std::string_view b) {
    // Header names mostly come in one case: nothing is converted where both are the same.
    return std::ranges::equal(a, b,
        [](char left, char right) { return left == right || to_lower(left) == to_lower(right); });
}

}  // namespace decloud
