#include "internal/abi_support.hpp"

#include "abi.hpp"

#include <decloud/base/encoding.hpp>

namespace decloud::contracts::abi {

namespace {

constexpr Selector kErrorSelector{{0x08, 0xc3, 0x79, 0xa0}};
constexpr Selector kPanicSelector{{0x4e, 0x48, 0x7b, 0x71}};
constexpr std::size_t kShownBytes = 64;

bool inside(std::size_t position, std::span<const Range> holes) {
    return std::ranges::any_of(holes, [position](const Range& hole) {
        return position >= hole.start && position - hole.start < hole.length;
    });
}

}  // namespace

bool equal_outside(BytesView expected, BytesView actual, std::span<const Range> holes) {
    if (expected.size() != actual.size()) {
        return false;
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (expected[i] != actual[i] && !inside(i, holes)) {
            return false;
        }
    }
    return true;
}

Result<void> check_topics(const EventLog& log, const Bytes32& topic, std::size_t indexed) {
    if (log.topics.size() != indexed + 1 || log.topics.front() != topic) {
        return fail(CommonError::invalid_input, "ABI: a log entry of another event");
    }
    return {};
}

bool is_error(BytesView data, const Selector& selector) {
    return data.size() >= Selector::kSize &&
           std::ranges::equal(data.first(Selector::kSize), selector.bytes);
}

std::string describe(bool value) { return value ? "true" : "false"; }
std::string describe(Uint128 value) { return to_string(value); }
std::string describe(std::uint8_t value) { return std::to_string(value); }
std::string describe(std::uint64_t value) { return std::to_string(value); }
std::string describe(const Address& value) { return to_string(value); }
std::string describe(const Bytes32& value) { return to_string(value); }

std::string describe(const Uint256& value) {
    const auto narrow = value.to_uint128();
    return narrow ? to_string(*narrow) : to_hex_prefixed(value.big_endian);
}

std::string describe(BytesView value) {
    const bool cut = value.size() > kShownBytes;
    return to_hex_prefixed(value.first(std::min(value.size(), kShownBytes))) + (cut ? "…" : "");
}

std::string describe(std::string_view value) {
    std::string text = "\"";
    for (const char c : value.substr(0, kShownBytes)) {
        text += c >= ' ' && c <= '~' ? c : '?';
    }
    return text + (value.size() > kShownBytes ? "…\"" : "\"");
}

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view part : parts) {
        text += part;
    }
    return text;
}

std::string describe_builtin_error(BytesView data) {
    if (is_error(data, kErrorSelector)) {
        const auto text = decode_value<std::string>(data.subspan(Selector::kSize));
        return text ? describe(std::string_view(*text)) : std::string();
    }
    if (is_error(data, kPanicSelector)) {
        const auto code = decode_value<Uint256>(data.subspan(Selector::kSize));
        return code ? "Panic(" + describe(*code) + ")" : std::string();
    }
    return {};
}

std::string describe_unknown_error(BytesView data) {
    return data.empty() ? "reverted without a reason" : "reverted with " + describe(data);
}

}  // namespace decloud::contracts::abi
