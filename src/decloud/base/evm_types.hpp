#pragma once

#include "bytes.hpp"
#include "result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace decloud {

/// Unsigned integer of 128 bits, the widest that amounts on chain have here (uint128).
__extension__ using Uint128 = unsigned __int128;

/// Decimal digits, no leading zeros.
[[nodiscard]] std::string to_string(Uint128 value);
/// Decimal digits only, no sign, no leading zeros but "0" itself. Error: invalid_input.
[[nodiscard]] Result<Uint128> parse_uint128(std::string_view text);

/// Fixed-length bytes with an identity of their own: `Tag` keeps an address from being taken for a
/// hash.
template <std::size_t Size, class Tag>
struct FixedBytes {
    /// Length in bytes.
    static constexpr std::size_t kSize = Size;
    std::array<std::uint8_t, Size> bytes{};

    /// Error: invalid_input unless exactly `Size` bytes long.
    [[nodiscard]] static Result<FixedBytes> from(BytesView view) {
        if (view.size() != Size) {
            return fail(CommonError::invalid_input,
                "expected " + std::to_string(Size) + " bytes, got " + std::to_string(view.size()));
        }
        FixedBytes out;
        std::copy(view.begin(), view.end(), out.bytes.begin());
        return out;
    }

    /// Lives as long as this object.
    [[nodiscard]] BytesView view() const { return bytes; }
    /// True if every byte is zero, as after default construction.
    [[nodiscard]] bool is_zero() const { return *this == FixedBytes{}; }
    friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
    friend bool operator==(const FixedBytes&, const FixedBytes&) = default;
};

/// An Ethereum account or contract.
using Address = FixedBytes<20, struct AddressTag>;
/// Any 32-byte word: a hash, an EIP-712 digest, a channel id.
using Bytes32 = FixedBytes<32, struct Bytes32Tag>;

/// "0x" and 40 lower-case digits, the form used in URLs, headers and canonical JSON.
[[nodiscard]] std::string to_string(const Address& address);
/// "0x" and 64 lower-case digits.
[[nodiscard]] std::string to_string(const Bytes32& word);
/// Any case, "0x" required. Error: invalid_input.
[[nodiscard]] Result<Address> parse_address(std::string_view text);
/// The same for 64 digits.
[[nodiscard]] Result<Bytes32> parse_bytes32(std::string_view text);

/// An unsigned 256-bit integer as the EVM keeps it: 32 bytes, big-endian.
struct Uint256 {
    std::array<std::uint8_t, 32> big_endian{};

    /// The same number; every value fits.
    [[nodiscard]] static Uint256 from(Uint128 value);
    /// Error: limit_exceeded above 2¹²⁸−1.
    [[nodiscard]] Result<Uint128> to_uint128() const;
    /// Error: limit_exceeded above 2⁶⁴−1.
    [[nodiscard]] Result<std::uint64_t> to_uint64() const;
    friend auto operator<=>(const Uint256&, const Uint256&) = default;
    friend bool operator==(const Uint256&, const Uint256&) = default;
};

}  // namespace decloud

/// For unordered containers; not keyed, so that whoever picks the bytes can pick collisions.
template <std::size_t Size, class Tag>
struct std::hash<decloud::FixedBytes<Size, Tag>> {
    /// Of all `Size` bytes.
    std::size_t operator()(const decloud::FixedBytes<Size, Tag>& value) const noexcept {
        return std::hash<std::string_view>{}(decloud::as_text(value.view()));
    }
};
