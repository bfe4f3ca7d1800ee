#include "when.hpp"

#include <decloud/client/error.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>

namespace decloud::cli::internal {

namespace {

constexpr std::uint64_t kLongest = std::uint64_t{100} * 365 * 86'400;

std::optional<std::uint64_t> number(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> seconds_of(std::string_view text) {
    if (text.size() < 2) {
        return std::nullopt;
    }
    std::uint64_t unit = 0;
    switch (text.back()) {
        case 's':
            unit = 1;
            break;
        case 'm':
            unit = 60;
            break;
        case 'h':
            unit = 3600;
            break;
        case 'd':
            unit = 86'400;
            break;
        default:
            return std::nullopt;
    }
    const auto count = number(text.substr(0, text.size() - 1));
    if (!count || *count > kLongest / unit) {
        return std::nullopt;
    }
    return *count * unit;
}

/// "2026-12-31", as days since 1970.
std::optional<std::uint64_t> day_of(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') {
        return std::nullopt;
    }
    const auto year = number(text.substr(0, 4));
    const auto month = number(text.substr(5, 2));
    const auto day = number(text.substr(8, 2));
    if (!year || !month || !day || *year < 1970) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
        std::chrono::month(static_cast<unsigned>(*month)),
        std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

/// "T12:00:00Z".
std::optional<std::uint64_t> time_of(std::string_view text) {
    if (text.size() != 10 || text[0] != 'T' || text[3] != ':' || text[6] != ':' || text[9] != 'Z') {
        return std::nullopt;
    }
    const auto hours = number(text.substr(1, 2));
    const auto minutes = number(text.substr(4, 2));
    const auto seconds = number(text.substr(7, 2));
    if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 59) {
        return std::nullopt;
    }
    return (*hours * 60 + *minutes) * 60 + *seconds;
}

}  // namespace

Result<UnixSeconds> parse_when(std::string_view text, UnixSeconds now) {
    if (const auto seconds = seconds_of(text)) {
        return UnixSeconds{now.value + *seconds};
    }
    const auto day = day_of(text.substr(0, 10));
    const auto time = text.size() == 10
                          ? std::optional<std::uint64_t>(0)
                          : time_of(text.substr(std::min<std::size_t>(text.size(), 10)));
    if (!day || !time) {
        return fail_with_help(ClientError::usage, "\"" + std::string(text) + "\" is no time",
            "say 30d, 12h, 15m or 90s from now, or 2026-12-31 or 2026-12-31T12:00:00Z in UTC");
    }
    return UnixSeconds{*day * 86'400 + *time};
}

}  // namespace decloud::cli::internal
