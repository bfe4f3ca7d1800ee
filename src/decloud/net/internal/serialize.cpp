#include "serialize.hpp"

#include "characters.hpp"

#include <decloud/base/ascii.hpp>

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ctime>

namespace decloud::net::http::internal {

bool is_framing_header(std::string_view name) {
    switch (name.size()) {
        case 10:
            return equals_ignoring_case(name, "Connection") ||
                   equals_ignoring_case(name, "Keep-Alive");
        case 14:
            return equals_ignoring_case(name, "Content-Length");
        case 16:
            return equals_ignoring_case(name, "Proxy-Connection");
        case 17:
            return equals_ignoring_case(name, "Transfer-Encoding");
        default:
            return false;
    }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

void append_decimal(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

void append_chunk_size(std::string& out, std::uint64_t size) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
    out.append(digits.data(), end).append("\r\n");
}

std::optional<std::uint64_t> parse_content_length(std::string_view text, std::uint64_t limit) {
    if (text.empty() || text.size() > 19 || (text.size() > 1 && text.front() == '0')) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char character : text) {
        if (!net::internal::is_digit(character)) {
            return std::nullopt;
        }
        value = value * 10 + static_cast<std::uint64_t>(character - '0');
    }
    return value <= limit ? std::optional(value) : std::nullopt;
}

Result<void> append_fields(std::string& out, const Headers& headers) {
    for (const Headers::Field field : headers) {
        if (is_framing_header(field.name)) {
            continue;
        }
        if (!is_valid_field(field.name, field.value)) {
            return fail(CommonError::invalid_input, "a header with characters that HTTP forbids");
        }
        append_field(out, field.name, field.value);
    }
    return {};
}

Result<void> append_last_chunk(std::string& out, const Headers& trailers) {
    out.append("0\r\n");
    TRY_VOID(append_fields(out, trailers));
    out.append("\r\n");
    return {};
}

std::string_view http_date() {
    static constexpr std::array<std::string_view, 7> kDays{
        "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<std::string_view, 12> kMonths{
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    thread_local std::time_t cached_second = 0;
    thread_local std::array<char, 32> text{};
    thread_local std::size_t size = 0;
    const std::time_t now = std::time(nullptr);
    if (now != cached_second) {
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        const auto end =
            fmt::format_to_n(text.data(), text.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                kDays.at(parts.tm_wday), parts.tm_mday, kMonths.at(parts.tm_mon),
                parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
        size = end.size;
        cached_second = now;
    }
    return {text.data(), size};
}

}  // namespace decloud::net::http::internal
