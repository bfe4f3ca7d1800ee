#include "parser.hpp"

#include "../internal/characters.hpp"
#include "../internal/serialize.hpp"

#include <decloud/base/ascii.hpp>

#include <algorithm>
#include <array>

namespace decloud::net::http::internal {

namespace {

using net::internal::has_kind;
using net::internal::kValue;

constexpr std::size_t kMaxChunkSizeDigits = 16;

/// A line is cut from the input at its CRLF; anything else that could end a line is refused.
struct Scan {
    std::size_t length = 0;
    bool complete = false;
    std::string_view problem;
};

Scan scan_line(std::string_view input, bool after_cr) {
    for (std::size_t index = 0; index < input.size(); ++index) {
        const char character = input[index];
        if (after_cr) {
            if (character == '\n') {
                return {index + 1, true, {}};
            }
            return {index, false, "a CR without LF"};
        }
        if (has_kind(character, kValue)) [[likely]] {
            continue;
        }
        if (character == '\r') {
            after_cr = true;
        } else if (character == '\n') {
            return {index, false, "an LF without CR"};
        } else {
            return {index, false, "a control character"};
        }
    }
    return {input.size(), false, {}};
}

std::optional<unsigned> hex_value(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const char lower = to_lower(character);
    if (lower >= 'a' && lower <= 'f') {
        return lower - 'a' + 10;
    }
    return std::nullopt;
}

std::size_t token_length(std::string_view text) {
    std::size_t length = 0;
    while (length < text.size() && net::internal::is_token_character(text[length])) {
        ++length;
    }
    return length;
}

/// The length of the quoted string that `text` begins with, 0 if it is not one.
std::size_t quoted_length(std::string_view text) {
    if (!text.starts_with('"')) {
        return 0;
    }
    for (std::size_t index = 1; index < text.size(); ++index) {
        if (text[index] == '"') {
            return index + 1;
        }
        if (text[index] == '\\') {
            ++index;
        }
    }
    return 0;
}

/// RFC 9112 §7.1.1 without its "bad" white space.
bool are_chunk_extensions(std::string_view text) {
    while (!text.empty()) {
        if (text.front() != ';') {
            return false;
        }
        text.remove_prefix(1);
        const std::size_t name = token_length(text);
        if (name == 0) {
            return false;
        }
        text.remove_prefix(name);
        if (!text.starts_with('=')) {
            continue;
        }
        text.remove_prefix(1);
        const std::size_t value = std::max(token_length(text), quoted_length(text));
        if (value == 0) {
            return false;
        }
        text.remove_prefix(value);
    }
    return true;
}

bool is_forbidden_trailer(std::string_view name) {
    static constexpr std::array<std::string_view, 10> kForbidden{"Content-Length",
        "Transfer-Encoding", "Host", "Connection", "Trailer", "TE", "Expect", "Upgrade",
        "Keep-Alive", "Content-Encoding"};
    return std::ranges::any_of(kForbidden,
        [&](std::string_view forbidden) { return equals_ignoring_case(name, forbidden); });
}

}  // namespace

ParseStep MessageParser::next(BytesView input) {
    switch (state_) {
        case State::first_line:
        case State::fields:
        case State::chunk_size:
        case State::chunk_data_end:
        case State::trailers:
            return step_line(input);
        case State::fixed_body:
        case State::chunk_data:
        case State::body_until_close:
            return step_body(input);
        case State::finishing:
            state_ = State::done;
            return {ParseEvent::end, 0, {}};
        case State::done:
            return {ParseEvent::end, 0, {}};
        case State::failed:
            break;
    }
    return {ParseEvent::failed, 0, {}};
}

ParseStep MessageParser::step_line(BytesView input) {
    std::size_t consumed = 0;
    for (;;) {
        const State before = state_;
        const Line line =
            take_line(input.subspan(consumed), consumed, line_limit(), line_limit_status());
        if (state_ == State::failed) {
            return {ParseEvent::failed, consumed, {}};
        }
        if (!line.complete) {
            return {ParseEvent::need_more, consumed, {}};
        }
        const bool accepted = on_line(line.text);
        partial_.clear();
        if (!accepted) {
            return {ParseEvent::failed, consumed, {}};
        }
        if (before == State::fields && state_ != State::fields) {
            return {ParseEvent::head, consumed, {}};
        }
        if (state_ == State::finishing) {
            state_ = State::done;
            return {ParseEvent::end, consumed, {}};
        }
        if (state_ == State::chunk_data) {
            ParseStep step = step_body(input.subspan(consumed));
            step.consumed += consumed;
            return step;
        }
    }
}

ParseStep MessageParser::step_body(BytesView input) {
    if (input.empty()) {
        return {ParseEvent::need_more, 0, {}};
    }
    if (state_ == State::body_until_close) {
        return {ParseEvent::body, input.size(), input};
    }
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
    remaining_ -= size;
    if (remaining_ == 0) {
        state_ = state_ == State::chunk_data ? State::chunk_data_end : State::finishing;
    }
    return {ParseEvent::body, size, input.first(size)};
}

MessageParser::Line MessageParser::take_line(
    BytesView input, std::size_t& consumed, std::size_t limit, int limit_status) {
    const std::size_t used = head_bytes_;
    const std::size_t budget = limit > used ? limit - used : 0;
    const std::string_view text = as_text(input.first(std::min(budget, input.size())));
    const bool after_cr = partial_.ends_with('\r');
    const Scan scan = scan_line(text, after_cr);
    consumed += scan.length;
    head_bytes_ += scan.length;
    if (!scan.problem.empty()) {
        refuse(scan.problem);
        return {};
    }
    if (!scan.complete) {
        partial_.append(text);
        if (head_bytes_ >= limit) {
            refuse("a line or the head is too long", limit_status);
        }
        return {};
    }
    if (partial_.empty()) {
        return {true, text.substr(0, scan.length - 2)};
    }
    partial_.append(text.substr(0, scan.length));
    return {true, std::string_view(partial_).substr(0, partial_.size() - 2)};
}

std::size_t MessageParser::line_limit() const {
    constexpr std::size_t kMethodAndVersion = 64;
    switch (state_) {
        case State::first_line:
            return std::min(limits_.max_target_bytes + kMethodAndVersion, limits_.max_header_bytes);
        case State::chunk_size:
            return kMaxChunkSizeDigits + limits_.max_chunk_extension_bytes + 2;
        case State::chunk_data_end:
            return 2;
        case State::trailers:
            return limits_.max_trailer_bytes;
        case State::fields:
        case State::fixed_body:
        case State::chunk_data:
        case State::body_until_close:
        case State::finishing:
        case State::done:
        case State::failed:
            break;
    }
    return limits_.max_header_bytes;
}

int MessageParser::line_limit_status() const {
    switch (state_) {
        case State::first_line:
            return 414;
        case State::fields:
        case State::trailers:
            return 431;
        case State::chunk_size:
        case State::chunk_data_end:
        case State::fixed_body:
        case State::chunk_data:
        case State::body_until_close:
        case State::finishing:
        case State::done:
        case State::failed:
            break;
    }
    return 400;
}

bool MessageParser::on_line(std::string_view line) {
    switch (state_) {
        case State::first_line:
            // RFC 9112 §2.2: one empty line before a request is ignored.
            if (line.empty() && head_bytes_ == 2) {
                return true;
            }
            state_ = State::fields;
            return on_first_line(line);
        case State::fields:
            return line.empty() ? on_fields_end() : on_field(line, head_fields());
        case State::chunk_size:
            return on_chunk_size(line);
        case State::chunk_data_end:
            head_bytes_ = 0;
            state_ = State::chunk_size;
            return line.empty() || refuse("a chunk without its CRLF");
        case State::trailers:
            if (line.empty()) {
                state_ = State::finishing;
                return true;
            }
            return on_field(line, trailers_);
        case State::fixed_body:
        case State::chunk_data:
        case State::body_until_close:
        case State::finishing:
        case State::done:
        case State::failed:
            break;
    }
    return false;
}

bool MessageParser::on_field(std::string_view line, Headers& fields) {
    if (line.front() == ' ' || line.front() == '\t') {
        return refuse("a folded header or white space before one");
    }
    const std::size_t name_size = token_length(line);
    if (name_size == 0 || name_size == line.size() || line[name_size] != ':') {
        return refuse("a header without a proper name");
    }
    if (fields.size() >= limits_.max_headers) {
        return refuse("too many headers", 431);
    }
    const std::string_view name = line.substr(0, name_size);
    if (state_ == State::trailers && is_forbidden_trailer(name)) {
        return refuse("a trailer that must be a header");
    }
    fields.add(name, net::internal::trim(line.substr(name_size + 1)));
    return true;
}

bool MessageParser::on_fields_end() {
    head_bytes_ = 0;
    state_ = State::finishing;
    if (!on_head_complete()) {
        return false;
    }
    switch (framing_) {
        case Framing::none:
            break;
        case Framing::content_length:
            remaining_ = length_;
            state_ = length_ == 0 ? State::finishing : State::fixed_body;
            break;
        case Framing::chunked:
            state_ = State::chunk_size;
            break;
        case Framing::until_close:
            state_ = State::body_until_close;
            break;
    }
    return true;
}

bool MessageParser::on_chunk_size(std::string_view line) {
    std::uint64_t size = 0;
    std::size_t digits = 0;
    while (digits < line.size()) {
        const auto value = hex_value(line[digits]);
        if (!value) {
            break;
        }
        if (++digits > kMaxChunkSizeDigits) {
            return refuse("a chunk size with too many digits");
        }
        size = size * 16 + *value;
    }
    if (digits == 0 || size > limits_.max_content_length) {
        return refuse("a chunk without a proper size");
    }
    if (!are_chunk_extensions(line.substr(digits))) {
        return refuse("a bad chunk extension");
    }
    head_bytes_ = 0;
    remaining_ = size;
    state_ = size == 0 ? State::trailers : State::chunk_data;
    return true;
}

bool MessageParser::read_framing(bool http_1_0) {
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    std::string_view length_text;
    std::string_view encoding;
    for (const Headers::Field field : head_fields()) {
        if (field.name.size() == 14 && equals_ignoring_case(field.name, "Content-Length")) {
            ++lengths;
            length_text = field.value;
        } else if (field.name.size() == 17 &&
                   equals_ignoring_case(field.name, "Transfer-Encoding")) {
            ++encodings;
            encoding = field.value;
        }
    }
    framing_ = Framing::none;
    if (encodings > 0) {
        if (lengths > 0) {
            return refuse("both Content-Length and Transfer-Encoding");
        }
        if (encodings > 1 || encoding != "chunked") {
            return refuse("a Transfer-Encoding other than chunked");
        }
        if (http_1_0) {
            return refuse("Transfer-Encoding in HTTP/1.0");
        }
        framing_ = Framing::chunked;
        return true;
    }
    if (lengths > 0) {
        const auto length = parse_content_length(length_text, limits_.max_content_length);
        if (lengths > 1 || !length) {
            return refuse("a bad or repeated Content-Length");
        }
        framing_ = Framing::content_length;
        length_ = *length;
    }
    return true;
}

std::optional<std::uint64_t> MessageParser::body_length() const {
    switch (framing_) {
        case Framing::none:
            return 0;
        case Framing::content_length:
            return length_;
        case Framing::chunked:
        case Framing::until_close:
            break;
    }
    return std::nullopt;
}

bool MessageParser::refuse(std::string_view reason, int status) {
    error_ = {status, reason};
    state_ = State::failed;
    return false;
}

void MessageParser::reset_message() {
    state_ = State::first_line;
    framing_ = Framing::none;
    keep_alive_ = true;
    length_ = 0;
    remaining_ = 0;
    head_bytes_ = 0;
    trailers_.clear();
    partial_.clear();
}

}  // namespace decloud::net::http::internal
