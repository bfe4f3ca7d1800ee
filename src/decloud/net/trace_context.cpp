#include "trace_context.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace decloud::net {

namespace {

constexpr std::string_view kParent = "traceparent";
constexpr std::string_view kState = "tracestate";
/// 00-{32}-{16}-{2}
constexpr std::size_t kVersionAt = 0;
constexpr std::size_t kTraceAt = 3;
constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kParentAt = 36;
constexpr std::size_t kParentDigits = 16;
constexpr std::size_t kFlagsAt = 53;
constexpr std::size_t kSize = 55;
constexpr std::size_t kStateBytes = 512;
constexpr std::size_t kStateMembers = 32;
constexpr std::uint8_t kSampled = 1;

bool is_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
    return text.find_first_not_of('0') == std::string_view::npos;
}

/// Random bytes that need not be secret, many of them from the kernel at once.
class RandomStock {
  public:
    void take(std::span<std::uint8_t> target) {
        if (left_.size() < target.size()) {
            crypto::fill_random(bytes_);
            left_ = bytes_;
        }
        std::ranges::copy(left_.first(target.size()), target.begin());
        left_ = left_.subspan(target.size());
    }

  private:
    std::array<std::uint8_t, 1024> bytes_{};
    std::span<const std::uint8_t> left_;
};

thread_local RandomStock stock_of_thread;

template <std::size_t Size>
std::string random_hex() {
    std::array<std::uint8_t, Size> bytes{};
    do {
        stock_of_thread.take(bytes);
    } while (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; }));
    return to_hex(bytes);
}

std::uint64_t hex_value(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
}

/// What is between `begin` and `end`, without blanks around it.
std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    return begin == std::string_view::npos
               ? std::string_view()
               : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_member(std::string_view member) {
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == member.size()) {
        return false;
    }
    const bool good_key = std::ranges::all_of(member.substr(0, equals), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '*' || c == '/' || c == '@';
    });
    return good_key && std::ranges::all_of(member.substr(equals + 1),
                           [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

bool is_valid_state(const http::Headers& headers) {
    std::size_t bytes = 0;
    std::size_t members = 0;
    for (std::string_view field : headers.all(kState)) {
        bytes += field.size();
        while (!field.empty()) {
            const std::size_t end = std::min(field.find(','), field.size());
            const std::string_view member = trim(field.substr(0, end));
            field.remove_prefix(std::min(end + 1, field.size()));
            if (member.empty()) {
                continue;
            }
            if (++members > kStateMembers || !is_member(member)) {
                return false;
            }
        }
    }
    return bytes <= kStateBytes;
}

}  // namespace

bool TraceSampling::picks(std::string_view trace_id) const {
    // The last digits are the random ones in every system.
    return trace_id.size() == kTraceDigits &&
           hex_value(trace_id.substr(kTraceDigits - 12)) % 1000 < per_thousand;
}

std::optional<TraceContext> parse_traceparent(std::string_view text) {
    if (text.size() < kSize || text[kTraceAt - 1] != '-' || text[kParentAt - 1] != '-' ||
        text[kFlagsAt - 1] != '-') {
        return std::nullopt;
    }
    const std::string_view version = text.substr(kVersionAt, 2);
    const std::string_view trace = text.substr(kTraceAt, kTraceDigits);
    const std::string_view parent = text.substr(kParentAt, kParentDigits);
    const std::string_view flags = text.substr(kFlagsAt, 2);
    const bool good_end =
        version == "00" ? text.size() == kSize : text.size() == kSize || text[kSize] == '-';
    if (!good_end || version == "ff" || !is_hex(version) || !is_hex(trace) || is_zero(trace) ||
        !is_hex(parent) || is_zero(parent) || !is_hex(flags)) {
        return std::nullopt;
    }
    return TraceContext{.trace_id = std::string(trace),
        .parent_id = std::string(parent),
        .sampled = (hex_value(flags) & kSampled) != 0};
}

std::string format_traceparent(const TraceContext& context) {
    return "00-" + context.trace_id + "-" + context.parent_id + (context.sampled ? "-01" : "-00");
}

TraceSpan continue_trace(http::Headers& headers, TraceSampling sampling) {
    TraceSpan span;
    const auto text = headers.find(kParent);
    auto before = text && headers.count(kParent) == 1 ? parse_traceparent(*text) : std::nullopt;
    if (before) {
        span.caller_id = std::move(before->parent_id);
        span.context = std::move(*before);
    } else {
        span.context.trace_id = random_hex<kTraceDigits / 2>();
        span.context.sampled = sampling.picks(span.context.trace_id);
    }
    if (span.caller_id.empty() || !is_valid_state(headers)) {
        headers.remove(kState);
    }
    span.context.parent_id = random_hex<kParentDigits / 2>();
    headers.set(kParent, format_traceparent(span.context));
    return span;
}

}  // namespace decloud::net
