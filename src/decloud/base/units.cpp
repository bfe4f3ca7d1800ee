#include "units.hpp"

namespace decloud {

namespace {
constexpr Uint128 kUsdcUnit = 1'000'000;
}

Result<Amount> Amount::plus(Amount other) const {
    Uint128 sum = 0;
    if (__builtin_add_overflow(units_, other.units_, &sum)) {
        return fail(CommonError::limit_exceeded, "an amount above 128 bits");
    }
    return Amount(sum);
}

Result<Amount> Amount::minus(Amount other) const {
    if (other.units_ > units_) {
        return fail(CommonError::limit_exceeded, "an amount below zero");
    }
    return Amount(units_ - other.units_);
}

Result<Amount> Amount::times(std::uint64_t factor) const {
    Uint128 product = 0;
    if (__builtin_mul_overflow(units_, static_cast<Uint128>(factor), &product)) {
        return fail(CommonError::limit_exceeded, "an amount above 128 bits");
    }
    return Amount(product);
}

std::string to_string(Amount amount) { return to_string(amount.units()); }

Result<Amount> parse_amount(std::string_view text) {
    TRY(const Uint128 units, parse_uint128(text));
    return Amount(units);
}

std::string format_usdc(Amount amount) {
    std::string fraction = to_string(amount.units() % kUsdcUnit);
    fraction.insert(0, 6 - fraction.size(), '0');
    while (fraction.size() > 3 && fraction.back() == '0') {
        fraction.pop_back();
    }
    return to_string(amount.units() / kUsdcUnit) + "." + fraction;
}

Result<Amount> parse_usdc(std::string_view text) {
    const std::size_t dot = text.find('.');
    const std::string_view whole = text.substr(0, dot);
    std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
    if (fraction.size() > 6 || (dot != std::string_view::npos && fraction.empty())) {
        return fail(CommonError::invalid_input, "an amount of USDC has at most six decimals");
    }
    fraction.append(6 - fraction.size(), '0');
    for (const char c : fraction) {
        if (c < '0' || c > '9') {
            return fail(CommonError::invalid_input, "an amount of USDC is digits and one dot");
        }
    }
    TRY(const Amount units, parse_amount(whole));
    TRY(const Amount scaled, units.times(static_cast<std::uint64_t>(kUsdcUnit)));
    std::uint64_t small = 0;
    for (const char c : fraction) {
        small = small * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return scaled.plus(Amount(small));
}

}  // namespace decloud
