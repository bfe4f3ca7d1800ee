#include "evm_types.hpp"

#include "encoding.hpp"

#include <algorithm>

namespace decloud {

std::string to_string(Uint128 value) {
    std::string digits;
    do {
        digits += static_cast<char>('0' + static_cast<int>(value % 10));
        value /= 10;
    } while (value != 0);
    std::ranges::reverse(digits);
    return digits;
}

Result<Uint128> parse_uint128(std::string_view text) {
    if (text.empty() || text.size() > 39 || (text.size() > 1 && text.front() == '0')) {
        return fail(CommonError::invalid_input, "not a decimal integer of 128 bits");
    }
    constexpr Uint128 kMax = ~Uint128{0};
    Uint128 value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return fail(CommonError::invalid_input, "not a decimal integer");
        }
        const auto digit = static_cast<Uint128>(c - '0');
        if (value > (kMax - digit) / 10) {
            return fail(CommonError::invalid_input, "an integer above 128 bits");
        }
        value = value * 10 + digit;
    }
    return value;
}

std::string to_string(const Address& address) { return to_hex_prefixed(address.view()); }
std::string to_string(const Bytes32& word) { return to_hex_prefixed(word.view()); }

namespace {

template <class Fixed>
Result<Fixed> parse_prefixed(std::string_view text, std::string_view what) {
    if (!text.starts_with("0x") || text.size() != 2 + 2 * Fixed::kSize) {
        return fail(CommonError::invalid_input,
            std::string(what) + " is 0x and " + std::to_string(2 * Fixed::kSize) + " digits");
    }
    TRY(const Bytes bytes, from_hex(text));
    return Fixed::from(bytes);
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
    return parse_prefixed<Address>(text, "an address");
}

Result<Bytes32> parse_bytes32(std::string_view text) {
    return parse_prefixed<Bytes32>(text, "a 32-byte word");
}

Uint256 Uint256::from(Uint128 value) {
    Uint256 out;
    for (std::size_t i = 0; i < 16; ++i) {
        out.big_endian[31 - i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    return out;
}

Result<Uint128> Uint256::to_uint128() const {
    if (std::any_of(big_endian.begin(), big_endian.begin() + 16, [](auto b) { return b != 0; })) {
        return fail(CommonError::limit_exceeded, "an integer above 128 bits");
    }
    Uint128 value = 0;
    for (std::size_t i = 16; i < 32; ++i) {
        value = (value << 8U) | big_endian[i];
    }
    return value;
}

Result<std::uint64_t> Uint256::to_uint64() const {
    TRY(const Uint128 wide, to_uint128());
    if (wide > ~std::uint64_t{0}) {
        return fail(CommonError::limit_exceeded, "an integer above 64 bits");
    }
    return static_cast<std::uint64_t>(wide);
}

}  // namespace decloud
