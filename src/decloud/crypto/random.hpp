#pragma once

#include <decloud/base/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace decloud::crypto {

/// Fills from the kernel's generator (getrandom(2)). Without it no key can be trusted, so a failure
/// ends the program. Thread safe.
void fill_random(std::span<std::uint8_t> target);

/// `count` bytes of `fill_random`.
[[nodiscard]] Bytes random_bytes(std::size_t count);

/// The same with a length that is known when compiling.
template <std::size_t Count>
[[nodiscard]] std::array<std::uint8_t, Count> random_array() {
    std::array<std::uint8_t, Count> out{};
    fill_random(out);
    return out;
}

}  // namespace decloud::crypto
