#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decloud {

/// Bytes that are owned.
using Bytes = std::vector<std::uint8_t>;
/// Bytes that somebody else owns and that must outlive the view.
using BytesView = std::span<const std::uint8_t>;

/// Views text as bytes. The view lives as long as the text.
[[nodiscard]] inline BytesView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Views bytes as text (no check of the encoding). The view lives as long as the bytes.
[[nodiscard]] inline std::string_view as_text(BytesView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A copy, byte for byte.
[[nodiscard]] inline Bytes to_bytes(std::string_view text) {
    const BytesView view = as_bytes(text);
    return {view.begin(), view.end()};
}

/// A copy of what is viewed.
[[nodiscard]] inline Bytes to_bytes(BytesView view) { return {view.begin(), view.end()}; }

/// Copies `tail` to the end of `target`, which it must not view.
inline void append(Bytes& target, BytesView tail) {
    target.insert(target.end(), tail.begin(), tail.end());
}

/// The same with the bytes of a text.
inline void append(Bytes& target, std::string_view tail) { append(target, as_bytes(tail)); }

/// Compares in time that depends on the lengths only; for MACs and tokens.
[[nodiscard]] bool equal_constant_time(BytesView a, BytesView b);

}  // namespace decloud
