#include "crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace decloud::store::internal {

namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1U) != 0 ? (value >> 1U) ^ 0x82F63B78U : value >> 1U;
        }
        table[i] = value;
    }
    return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

std::uint32_t by_table(std::uint32_t crc, BytesView data) {
    for (const std::uint8_t byte : data) {
        crc = (crc >> 8U) ^ kTable[(crc ^ byte) & 0xFFU];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, BytesView data) {
    std::uint64_t wide = crc;
    while (data.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, data.data(), 8);
        wide = _mm_crc32_u64(wide, word);
        data = data.subspan(8);
    }
    crc = static_cast<std::uint32_t>(wide);
    for (const std::uint8_t byte : data) {
        crc = _mm_crc32_u8(crc, byte);
    }
    return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, BytesView data) {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) {
        return ~by_instruction(~crc, data);
    }
#endif
    return ~by_table(~crc, data);
}

}  // namespace decloud::store::internal
