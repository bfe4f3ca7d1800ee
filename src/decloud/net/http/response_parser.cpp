#include "../internal/characters.hpp"
#include "parser.hpp"

#include <algorithm>

namespace decloud::net::http {

void ResponseParser::reset(bool head_request) {
    reset_message();
    head_.status = 0;
    head_.reason.clear();
    head_.headers.clear();
    head_request_ = head_request;
    http_1_0_ = false;
}

bool ResponseParser::on_first_line(std::string_view line) {
    // "HTTP/1.1 200 OK"; the space before an empty reason is often left out.
    if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "))) {
        return refuse("a bad status line");
    }
    http_1_0_ = line[7] == '0';
    const std::string_view digits = line.substr(9, 3);
    if (!std::ranges::all_of(digits, net::internal::is_digit) || digits.front() == '0' ||
        (line.size() > 12 && line[12] != ' ')) {
        return refuse("a bad status");
    }
    head_.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    head_.reason.assign(line.size() > 13 ? line.substr(13) : std::string_view{});
    return true;
}

bool ResponseParser::on_head_complete() {
    if (!read_framing(http_1_0_)) {
        return false;
    }
    const bool close = head_.headers.has_token("Connection", "close");
    keep_alive_ = !close && (!http_1_0_ || head_.headers.has_token("Connection", "keep-alive"));
    const bool interim = head_.status < 200;
    if (interim || head_.status == 204) {
        if (framing_ == internal::Framing::chunked || length_ > 0) {
            return refuse("a body where none may be");
        }
        framing_ = internal::Framing::none;
    } else if (head_request_ || head_.status == 304) {
        framing_ = internal::Framing::none;
    } else if (framing_ == internal::Framing::none) {
        framing_ = internal::Framing::until_close;
        keep_alive_ = false;
    }
    return true;
}

ParseStep ResponseParser::finish() {
    if (state_ == State::body_until_close || state_ == State::finishing || state_ == State::done) {
        state_ = State::done;
        return {ParseEvent::end, 0, {}};
    }
    if (state_ != State::failed) {
        refuse("the connection ended within a message");
    }
    return {ParseEvent::failed, 0, {}};
}

}  // namespace decloud::net::http
