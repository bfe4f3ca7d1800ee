#pragma once

#include "evm_types.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace decloud {

/// Binary multiples of a byte.
inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

/// What an amount counts: "eip155:31337/erc20:0x…" (CAIP-19) or a currency such as "BTC".
struct AssetId {
    std::string text;
    friend auto operator<=>(const AssetId&, const AssetId&) = default;
};

/// Money in the smallest unit of its asset. Never negative, never floating point; checked
/// arithmetic.
class Amount {
  public:
    constexpr Amount() = default;
    /// `units` of the asset's smallest unit: 1 of USDC is a millionth of it.
    constexpr explicit Amount(Uint128 units) : units_(units) {}

    /// In the smallest unit.
    [[nodiscard]] constexpr Uint128 units() const { return units_; }
    /// True if it is nothing at all.
    [[nodiscard]] constexpr bool is_zero() const { return units_ == 0; }

    /// Errors: limit_exceeded on overflow or on going below zero.
    [[nodiscard]] Result<Amount> plus(Amount other) const;
    [[nodiscard]] Result<Amount> minus(Amount other) const;
    [[nodiscard]] Result<Amount> times(std::uint64_t factor) const;
    /// The difference, or zero if `other` is larger.
    [[nodiscard]] constexpr Amount saturating_minus(Amount other) const {
        return other.units_ > units_ ? Amount{} : Amount{units_ - other.units_};
    }

    friend constexpr auto operator<=>(Amount, Amount) = default;
    friend constexpr bool operator==(Amount, Amount) = default;

  private:
    Uint128 units_ = 0;
};

/// Decimal digits of the smallest unit: the form of JSON and of the wire.
[[nodiscard]] std::string to_string(Amount amount);
/// From that form; as `parse_uint128`. Error: invalid_input.
[[nodiscard]] Result<Amount> parse_amount(std::string_view text);

/// USDC's six decimals, at least three shown: "0.001", "95.000", "4.997".
[[nodiscard]] std::string format_usdc(Amount amount);
/// What people type: "5", "0.001", at most six decimals. Error: invalid_input.
[[nodiscard]] Result<Amount> parse_usdc(std::string_view text);

}  // namespace decloud
