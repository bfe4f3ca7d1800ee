#include "cgi.hpp"

#include <decloud/base/ascii.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace decloud::sandbox {

namespace {

constexpr int kSwitchingProtocols = 101;
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return is_letter_or_digit(c) || kTokenMarks.find(c) != std::string_view::npos;
    });
}

bool is_known_name(std::string_view name) {
    // A plain text that happens to begin with "Word: …" is not a header block: the first line must
    // be one that programs really send first.
    constexpr std::array<std::string_view, 31> kNames{"status", "content-type", "location",
        "content-length", "cache-control", "set-cookie", "content-disposition", "content-encoding",
        "content-language", "etag", "expires", "last-modified", "vary", "date", "server", "pragma",
        "link", "allow", "age", "accept-ranges", "content-range", "content-location", "retry-after",
        "www-authenticate", "x-powered-by", "access-control-allow-origin",
        "access-control-allow-methods", "access-control-allow-headers", "content-security-policy",
        "x-content-type-options", "refresh"};
    return std::ranges::any_of(
        kNames, [&](std::string_view known) { return equals_ignoring_case(known, name); });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

bool is_field_value(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '\t' || (byte >= 0x20 && byte != 0x7F);
    });
}

struct Line {
    std::string_view name;
    std::string_view value;
};

std::optional<Line> parse_line(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        return std::nullopt;
    }
    const Line parsed{.name = line.substr(0, colon), .value = trim(line.substr(colon + 1))};
    return is_field_value(parsed.value) ? std::optional(parsed) : std::nullopt;
}

bool read_status(std::string_view value, CgiHead& head) {
    int status = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), status);
    const bool whole = end == value.data() + 3 && (value.size() == 3 || value[3] == ' ');
    if (error != std::errc() || !whole || status > 599 ||
        (status < 200 && status != kSwitchingProtocols)) {
        return false;
    }
    head.status = status;
    head.reason = trim(value.substr(3));
    return true;
}

/// One line into the head. False: the block is not valid.
bool accept_line(const Line& line, CgiHead& head) {
    if (equals_ignoring_case(line.name, "status")) {
        return read_status(line.value, head);
    }
    if (equals_ignoring_case(line.name, "content-length")) {
        std::uint64_t length = 0;
        const std::string_view text = line.value;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
        if (error != std::errc() || end != text.data() + text.size() || head.content_length) {
            return false;
        }
        head.content_length = length;
        return true;
    }
    if (!is_reserved_header(line.name) && !is_hop_by_hop_header(line.name)) {
        head.headers.emplace_back(line.name, line.value);
    }
    return true;
}

bool has_header(const CgiHead& head, std::string_view name) {
    return std::ranges::any_of(
        head.headers, [&](const auto& header) { return equals_ignoring_case(header.first, name); });
}

struct Block {
    enum class State { incomplete, valid, invalid } state = State::incomplete;
    std::size_t size = 0;
    CgiHead head;
};

/// Reads a header block from the start of `text`. Lines end with LF or CRLF.
Block read_block(std::string_view text) {
    Block block;
    bool first = true;
    while (true) {
        const std::size_t end = text.find('\n', block.size);
        if (end == std::string_view::npos) {
            // A first line that cannot become one need not be waited for.
            const std::string_view begun = text.substr(block.size);
            const std::size_t colon = begun.find(':');
            const std::string_view name = begun.substr(0, colon);
            const bool hopeless = !begun.empty() && begun != "\r" && !is_token(name);
            const bool unknown = first && colon != std::string_view::npos && !is_known_name(name);
            block.state = hopeless || unknown ? Block::State::invalid : Block::State::incomplete;
            return block;
        }
        std::string_view line = text.substr(block.size, end - block.size);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        block.size = end + 1;
        if (line.empty()) {
            block.state = first ? Block::State::invalid : Block::State::valid;
            return block;
        }
        const auto parsed = parse_line(line);
        if (!parsed || (first && !is_known_name(parsed->name)) ||
            !accept_line(*parsed, block.head)) {
            block.state = Block::State::invalid;
            return block;
        }
        first = false;
    }
}

/// RFC 3629 over what is there; an incomplete last character is fine if more may come.
bool looks_like_text(BytesView data) {
    std::size_t i = 0;
    while (i < data.size()) {
        const std::uint8_t byte = data[i];
        if (byte == 0) {
            return false;
        }
        const std::size_t length = byte < 0x80                   ? 1
                                   : byte >= 0xC2 && byte < 0xE0 ? 2
                                   : byte >= 0xE0 && byte < 0xF0 ? 3
                                   : byte >= 0xF0 && byte < 0xF5 ? 4
                                                                 : 0;
        if (length == 0) {
            return false;
        }
        for (std::size_t k = 1; k < length && i + k < data.size(); ++k) {
            if ((data[i + k] & 0xC0) != 0x80) {
                return false;
            }
        }
        i += length;
    }
    return true;
}

}  // namespace

void CgiParser::feed(BytesView data) {
    append(buffer_, data);
    if (!decided_) {
        decide(false);
    }
}

void CgiParser::finish() {
    if (!decided_) {
        decide(true);
    }
}

void CgiParser::decide(bool at_end) {
    if (mode_ == Mode::raw) {
        if (!buffer_.empty() || at_end) {
            become_raw();
        }
        return;
    }
    Block block =
        read_block(as_text(BytesView(buffer_).first(std::min(buffer_.size(), kMaximumHead))));
    if (block.state == Block::State::incomplete) {
        if (at_end || buffer_.size() >= kMaximumHead) {
            become_raw();
        }
        return;
    }
    const bool switches = block.head.status == kSwitchingProtocols;
    if (block.state == Block::State::invalid || (switches && mode_ != Mode::upgrade)) {
        become_raw();
        return;
    }
    head_ = std::move(block.head);
    head_.from_program = true;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(block.size));
    if (has_header(head_, "location") && head_.status == 200) {
        // RFC 3875 §6.2.3: a redirect without a status.
        head_.status = 302;
    }
    const bool bodyless = switches || head_.status == 204 || head_.status == 304;
    if (!has_header(head_, "content-type") && !bodyless) {
        head_.headers.emplace_back("Content-Type",
            looks_like_text(buffer_) ? "text/plain; charset=utf-8" : "application/octet-stream");
    }
    decided_ = true;
}

void CgiParser::become_raw() {
    malformed_ = mode_ == Mode::cgi || mode_ == Mode::upgrade;
    head_ = CgiHead{};
    head_.headers.emplace_back("Content-Type",
        looks_like_text(buffer_) ? "text/plain; charset=utf-8" : "application/octet-stream");
    decided_ = true;
}

Bytes CgiParser::take_body() { return decided_ ? std::exchange(buffer_, {}) : Bytes{}; }

}  // namespace decloud::sandbox
