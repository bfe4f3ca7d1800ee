#include "unixfs.hpp"

#include <algorithm>
#include <bit>

namespace decloud::multiformats {

namespace {

constexpr std::uint64_t kC1 = 0x87c37b91114253d5;
constexpr std::uint64_t kC2 = 0x4cf5ad432745937f;

std::uint64_t final_mix(std::uint64_t k) {
    k ^= k >> 33U;
    k *= 0xff51afd7ed558ccd;
    k ^= k >> 33U;
    k *= 0xc4ceb9fe1a85ec53;
    k ^= k >> 33U;
    return k;
}

std::uint64_t little_endian(BytesView bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        value |= std::uint64_t{bytes[i]} << (8 * i);
    }
    return value;
}

std::uint64_t mix_first(std::uint64_t k) { return std::rotl(k * kC1, 31) * kC2; }
std::uint64_t mix_second(std::uint64_t k) { return std::rotl(k * kC2, 33) * kC1; }

}  // namespace

std::uint64_t hamt_hash(std::string_view name) {
    constexpr std::size_t kHalf = 8;
    constexpr std::size_t kWhole = 16;
    BytesView rest = as_bytes(name);
    std::uint64_t h1 = 0;
    std::uint64_t h2 = 0;
    while (rest.size() >= kWhole) {
        h1 ^= mix_first(little_endian(rest.first(kHalf)));
        h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= mix_second(little_endian(rest.subspan(kHalf, kHalf)));
        h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
        rest = rest.subspan(kWhole);
    }
    if (rest.size() > kHalf) {
        h2 ^= mix_second(little_endian(rest.subspan(kHalf)));
    }
    if (!rest.empty()) {
        h1 ^= mix_first(little_endian(rest.first(std::min(rest.size(), kHalf))));
    }
    h1 ^= name.size();
    h2 ^= name.size();
    h1 += h2;
    h2 += h1;
    h1 = final_mix(h1);
    h2 = final_mix(h2);
    return h1 + h2;
}

std::size_t hamt_prefix_size(std::uint64_t fanout) {
    std::size_t digits = 0;
    for (std::uint64_t largest = fanout - 1; largest > 0; largest >>= 4U) {
        ++digits;
    }
    return digits;
}

}  // namespace decloud::multiformats
