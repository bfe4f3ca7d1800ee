#include "byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace decloud::ipfs {

namespace {

constexpr int kMostRanges = 16;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto read = std::from_chars(text.begin(), text.end(), number);
    return read.ec == std::errc() && read.ptr == text.end() ? std::optional(number) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    text.remove_prefix(begin);
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

/// Nothing if it is malformed; an empty range if it is beyond the end.
struct Parsed {
    bool valid = false;
    std::optional<ByteRange> range{};
};

Parsed parse_one(std::string_view text, std::uint64_t size) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) {
        return {};
    }
    const std::string_view first_text = text.substr(0, dash);
    const std::string_view last_text = text.substr(dash + 1);
    if (first_text.empty()) {
        const auto suffix = parse_number<std::uint64_t>(last_text);
        if (!suffix) {
            return {};
        }
        if (*suffix == 0 || size == 0) {
            return {.valid = true};
        }
        return {.valid = true,
            .range = ByteRange{.first = size - std::min(*suffix, size), .last = size - 1}};
    }
    const auto first = parse_number<std::uint64_t>(first_text);
    const auto last = last_text.empty() ? std::optional(std::numeric_limits<std::uint64_t>::max())
                                        : parse_number<std::uint64_t>(last_text);
    if (!first || !last || *first > *last) {
        return {};
    }
    if (*first >= size) {
        return {.valid = true};
    }
    return {.valid = true, .range = ByteRange{.first = *first, .last = std::min(*last, size - 1)}};
}

}  // namespace

RangeChoice choose_range(std::string_view header, std::uint64_t size) {
    constexpr std::string_view kUnit = "bytes=";
    if (!header.starts_with(kUnit)) {
        return {};
    }
    header.remove_prefix(kUnit.size());
    std::optional<ByteRange> chosen;
    for (int count = 1;; ++count) {
        const std::size_t comma = header.find(',');
        const Parsed parsed = parse_one(trimmed(header.substr(0, comma)), size);
        if (!parsed.valid || count > kMostRanges) {
            return {};
        }
        if (!chosen) {
            chosen = parsed.range;
        }
        if (comma == std::string_view::npos) {
            break;
        }
        header.remove_prefix(comma + 1);
    }
    return {.range = chosen, .unsatisfiable = !chosen.has_value()};
}

std::optional<EntityBytes> parse_entity_bytes(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    const auto from = parse_number<std::int64_t>(text.substr(0, colon));
    if (!from) {
        return std::nullopt;
    }
    EntityBytes bytes{.from = *from};
    if (text.substr(colon + 1) != "*") {
        bytes.to = parse_number<std::int64_t>(text.substr(colon + 1));
        const bool backwards =
            bytes.to && (*bytes.to < 0) == (bytes.from < 0) && *bytes.to < bytes.from;
        if (!bytes.to || backwards) {
            return std::nullopt;
        }
    }
    return bytes;
}

std::optional<ByteRange> clip(const EntityBytes& bytes, std::uint64_t size) {
    // 0 - x in unsigned numbers is right for the least one, too.
    const auto from_end = [size](std::int64_t number) {
        const std::uint64_t distance = 0 - static_cast<std::uint64_t>(number);
        return distance > size ? std::nullopt : std::optional(size - distance);
    };
    const std::uint64_t first =
        bytes.from < 0 ? from_end(bytes.from).value_or(0) : static_cast<std::uint64_t>(bytes.from);
    std::optional<std::uint64_t> last = std::numeric_limits<std::uint64_t>::max();
    if (bytes.to) {
        last = *bytes.to < 0 ? from_end(*bytes.to) : static_cast<std::uint64_t>(*bytes.to);
    }
    if (!last || first >= size || *last < first) {
        return std::nullopt;
    }
    return ByteRange{.first = first, .last = std::min(*last, size - 1)};
}

}  // namespace decloud::ipfs
