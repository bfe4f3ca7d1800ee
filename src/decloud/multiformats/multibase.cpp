#include "multibase.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ranges>

namespace decloud::multiformats {

namespace {

constexpr std::size_t kMaxQuadraticText = 1024;

std::string_view alphabet_of(Multibase base) {
    switch (base) {
        case Multibase::base16:
            return "0123456789abcdef";
        case Multibase::base16_upper:
            return "0123456789ABCDEF";
        case Multibase::base32:
            return "abcdefghijklmnopqrstuvwxyz234567";
        case Multibase::base32_upper:
            return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        case Multibase::base36:
            return "0123456789abcdefghijklmnopqrstuvwxyz";
        case Multibase::base36_upper:
            return "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        case Multibase::base58btc:
            return "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        case Multibase::base64url:
            return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    }
    return {};
}

/// Bits per character, or 0 for a base that is no power of two.
unsigned bits_of(Multibase base) {
    switch (base) {
        case Multibase::base16:
        case Multibase::base16_upper:
            return 4;
        case Multibase::base32:
        case Multibase::base32_upper:
            return 5;
        case Multibase::base64url:
            return 6;
        default:
            return 0;
    }
}

/// Each character's value, or `kNoDigit`.
using ReverseTable = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kNoDigit = 0xff;

ReverseTable reverse_of(std::string_view alphabet) {
    ReverseTable table{};
    table.fill(kNoDigit);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return table;
}

std::string encode_bits(std::string_view alphabet, unsigned bits, BytesView bytes) {
    std::string out;
    out.reserve(bytes.size() * 8 / bits + 1);
    std::uint32_t buffer = 0;
    unsigned held = 0;
    const std::uint32_t mask = (1U << bits) - 1U;
    for (const std::uint8_t byte : bytes) {
        buffer = (buffer << 8U) | byte;
        held += 8;
        while (held >= bits) {
            held -= bits;
            out += alphabet[(buffer >> held) & mask];
        }
    }
    if (held > 0) {
        out += alphabet[(buffer << (bits - held)) & mask];
    }
    return out;
}

Result<Bytes> decode_bits(const ReverseTable& reverse, unsigned bits, std::string_view digits) {
    Bytes out;
    out.reserve(digits.size() * bits / 8);
    std::uint32_t buffer = 0;
    unsigned held = 0;
    for (const char digit : digits) {
        const std::uint8_t value = reverse[static_cast<unsigned char>(digit)];
        if (value == kNoDigit) {
            return fail(CommonError::invalid_input, "a character that its base does not have");
        }
        buffer = (buffer << bits) | std::uint32_t{value};
        held += bits;
        if (held >= 8) {
            held -= 8;
            out.push_back(static_cast<std::uint8_t>(buffer >> held));
            buffer &= (1U << held) - 1U;
        }
    }
    if (held >= bits || buffer != 0) {
        return fail(CommonError::invalid_input, "text whose last character is not whole bytes");
    }
    return out;
}

std::string encode_radix(std::string_view alphabet, BytesView bytes) {
    const auto radix = static_cast<std::uint32_t>(alphabet.size());
    std::size_t zeros = 0;
    while (zeros < bytes.size() && bytes[zeros] == 0) {
        ++zeros;
    }
    std::string digits;  // least significant first, values rather than letters
    for (const std::uint8_t byte : bytes.subspan(zeros)) {
        std::uint32_t carry = byte;
        for (char& digit : digits) {
            carry += static_cast<std::uint32_t>(static_cast<unsigned char>(digit)) << 8U;
            digit = static_cast<char>(carry % radix);
            carry /= radix;
        }
        while (carry > 0) {
            digits += static_cast<char>(carry % radix);
            carry /= radix;
        }
    }
    std::string out(zeros, alphabet[0]);
    for (const char digit : digits | std::views::reverse) {
        out += alphabet[static_cast<unsigned char>(digit)];
    }
    return out;
}

Result<Bytes> decode_radix(
    const ReverseTable& reverse, std::string_view alphabet, std::string_view digits) {
    if (digits.size() > kMaxQuadraticText) {
        return fail(
            CommonError::limit_exceeded, "text of this base is limited to 1,024 characters");
    }
    const auto radix = static_cast<std::uint32_t>(alphabet.size());
    const std::size_t first = std::min(digits.find_first_not_of(alphabet[0]), digits.size());
    Bytes little_endian;
    for (const char digit : digits.substr(first)) {
        const std::uint8_t value = reverse[static_cast<unsigned char>(digit)];
        if (value == kNoDigit) {
            return fail(CommonError::invalid_input, "a character that its base does not have");
        }
        std::uint32_t carry = value;
        for (std::uint8_t& byte : little_endian) {
            carry += byte * radix;
            byte = static_cast<std::uint8_t>(carry);
            carry >>= 8U;
        }
        while (carry > 0) {
            little_endian.push_back(static_cast<std::uint8_t>(carry));
            carry >>= 8U;
        }
    }
    Bytes out(first, 0);
    out.insert(out.end(), little_endian.rbegin(), little_endian.rend());
    return out;
}

}  // namespace

std::string encode_digits(Multibase base, BytesView bytes) {
    const unsigned bits = bits_of(base);
    return bits > 0 ? encode_bits(alphabet_of(base), bits, bytes)
                    : encode_radix(alphabet_of(base), bytes);
}

Result<Bytes> decode_digits(Multibase base, std::string_view digits) {
    const std::string_view alphabet = alphabet_of(base);
    const ReverseTable reverse = reverse_of(alphabet);
    const unsigned bits = bits_of(base);
    return bits > 0 ? decode_bits(reverse, bits, digits) : decode_radix(reverse, alphabet, digits);
}

std::string encode_multibase(Multibase base, BytesView bytes) {
    return static_cast<char>(base) + encode_digits(base, bytes);
}

Result<DecodedMultibase> decode_multibase(std::string_view text) {
    if (text.empty()) {
        return fail(CommonError::invalid_input, "empty multibase text");
    }
    const auto base = static_cast<Multibase>(text[0]);
    if (alphabet_of(base).empty()) {
        return fail(CommonError::invalid_input, "a multibase prefix that is not known");
    }
    TRY(Bytes bytes, decode_digits(base, text.substr(1)));
    return DecodedMultibase{.base = base, .bytes = std::move(bytes)};
}

}  // namespace decloud::multiformats
