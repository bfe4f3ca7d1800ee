#include "http_message.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace decloud::sandbox::server {

namespace {

constexpr std::size_t kMaximumLine = 256;
constexpr std::size_t kMaximumTrailer = 16 * 1024;

std::unexpected<Error> refused(std::string detail) {
    return fail(CommonError::invalid_input, "the server's answer: " + std::move(detail));
}

bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

bool is_text(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '\t' || (byte >= 0x20 && byte != 0x7F);
    });
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

template <class T>
std::optional<T> number(std::string_view text, int base) {
    T value{};
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + text.size(), value, base);
    return problem == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                      : std::nullopt;
}

/// A line's text, and the rest behind it. Lines end with LF or CRLF.
std::string_view next_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

/// Where the empty line that ends a head ends, or npos.
std::size_t end_of_head(std::string_view text) {
    const std::size_t plain = text.find("\n\n");
    const std::size_t standard = text.find("\r\n\r\n");
    const std::size_t first = std::min(plain == std::string_view::npos ? plain : plain + 2,
        standard == std::string_view::npos ? standard : standard + 4);
    return first;
}

std::optional<int> parse_status(std::string_view line) {
    const bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
    if (!known || line.size() < 12 || (line.size() > 12 && line[12] != ' ') || !is_text(line)) {
        return std::nullopt;
    }
    const auto status = number<int>(line.substr(9, 3), 10);
    return status && *status >= 100 && *status <= 599 ? status : std::nullopt;
}

/// The target as the server sees it: what follows the deployment's prefix.
std::string server_target(const CgiRequest& request) {
    std::string_view target = request.request_uri;
    if (target.starts_with(request.script_name)) {
        target.remove_prefix(request.script_name.size());
        if (target.empty() || target.front() == '/' || target.front() == '?') {
            return (target.starts_with('/') ? "" : "/") + std::string(target);
        }
    }
    std::string made = request.path_info.empty() ? "/" : std::string();
    for (const char c : request.path_info) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = byte > 0x20 && byte < 0x7F && c != '%' && c != '?' && c != '#';
        made += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
    }
    return request.query.empty() ? made : made + "?" + request.query;
}

bool is_our_own(std::string_view name) {
    constexpr std::array<std::string_view, 8> kNames{"host", "expect", "forwarded",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-proto",
        "x-real-ip"};
    return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace

std::string make_request_head(const CgiRequest& request, const BodyFraming& framing) {
    std::string head = fmt::format("{} {} HTTP/1.1\r\n", request.method, server_target(request));
    const auto add = [&head](std::string_view name, std::string_view value) {
        if (is_text(value)) {
            head += fmt::format("{}: {}\r\n", name, value);
        }
    };
    const HeaderPairs headers = forwarded_headers(request);
    const auto host = std::ranges::find(headers, "host", &HeaderPairs::value_type::first);
    const std::string& name = host == headers.end() ? request.server_name : host->second;
    add("host", name);
    for (const auto& [field, value] : headers) {
        if (!is_our_own(field)) {
            add(field, value);
        }
    }
    add("x-forwarded-for", request.remote_address);
    add("x-forwarded-host", name);
    add("x-forwarded-prefix", request.script_name);
    add("x-forwarded-proto", request.https ? "https" : "http");
    if (!framing.length) {
        add("transfer-encoding", "chunked");
    } else if (*framing.length > 0 || (request.method != "GET" && request.method != "HEAD")) {
        add("content-length", std::to_string(*framing.length));
    }
    add("connection", request.upgrade.empty() ? "close" : "Upgrade");
    if (!request.upgrade.empty()) {
        add("upgrade", request.upgrade);
    }
    return head + "\r\n";
}

Result<void> AnswerReader::feed(BytesView data, Bytes& out) {
    if (state_ == State::head) {
        buffer_ += as_text(data);
        TRY_VOID(read_head(out));
        if (state_ == State::head) {
            return {};
        }
        // What came behind the head.
        const std::string rest = std::exchange(buffer_, {});
        return feed(as_bytes(rest), out);
    }
    while (!data.empty() && state_ != State::complete) {
        if (state_ == State::length || state_ == State::chunk || state_ == State::until_close) {
            take_body(data, out);
        } else {
            TRY_VOID(take_chunk_line(data));
        }
    }
    return {};
}

Result<void> AnswerReader::finish() {
    if (state_ == State::until_close) {
        state_ = State::complete;
    }
    if (!complete()) {
        return fail(
            CommonError::corrupt, "the server closed the connection without a whole answer");
    }
    return {};
}

Result<void> AnswerReader::read_head(Bytes& out) {
    while (true) {
        const std::size_t end = end_of_head(buffer_);
        if (std::min(end, buffer_.size()) > kMaximumHead) {
            return fail(CommonError::limit_exceeded,
                fmt::format("the head of the answer is longer than {} bytes", kMaximumHead));
        }
        if (end == std::string::npos) {
            return {};
        }
        const std::string head = buffer_.substr(0, end);
        buffer_.erase(0, end);
        std::string_view rest = head;
        const std::string_view line = next_line(rest);
        const auto status = parse_status(line);
        if (!status) {
            return refused("its first line is no status line");
        }
        upgraded_ = *status == 101;
        if (upgraded_ && asked_ != Asked::upgrade) {
            return refused("it changes the protocol, which nobody asked for");
        }
        if (*status < 200 && !upgraded_) {
            if (++interim_ > kMaximumInterim) {
                return refused("it has too many interim answers");
            }
            continue;
        }
        append(out, as_bytes(fmt::format("Status: {}\n", line.substr(9))));
        TRY_VOID(read_fields(rest, *status, out));
        choose_body(*status);
        return {};
    }
}

Result<void> AnswerReader::read_fields(std::string_view fields, int status, Bytes& out) {
    while (true) {
        const std::string_view line = next_line(fields);
        if (line.empty()) {
            append(out, as_bytes(std::string_view("\n")));
            return {};
        }
        const std::size_t colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        if (colon == std::string_view::npos || !is_token(name) || !is_text(line)) {
            return refused("a header field is malformed");
        }
        const std::string_view value = trim(line.substr(colon + 1));
        if (equals_ignoring_case(name, "transfer-encoding")) {
            if (chunked_ || !equals_ignoring_case(value, "chunked")) {
                return refused("its transfer coding is not \"chunked\"");
            }
            chunked_ = true;
        } else if (equals_ignoring_case(name, "content-length")) {
            const auto length = number<std::uint64_t>(value, 10);
            if (!length || (length_ && *length_ != *length)) {
                return refused("its length is no number");
            }
            length_ = length;
        } else if (!equals_ignoring_case(name, "status") &&
                   !equals_ignoring_case(name, "connection") && status != 0) {
            append(out, as_bytes(fmt::format("{}: {}\n", name, value)));
        }
    }
}

void AnswerReader::choose_body(int status) {
    left_ = length_.value_or(0);
    state_ = State::until_close;
    if (upgraded_) {
        return;
    }
    if (asked_ == Asked::head || status == 204 || status == 304) {
        state_ = State::complete;
    } else if (chunked_) {
        state_ = State::chunk_size;
    } else if (length_) {
        state_ = left_ == 0 ? State::complete : State::length;
    }
}

void AnswerReader::take_body(BytesView& data, Bytes& out) {
    if (state_ == State::until_close) {
        append(out, data);
        data = {};
        return;
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size()));
    append(out, data.first(count));
    data = data.subspan(count);
    left_ -= count;
    if (left_ == 0) {
        state_ = state_ == State::chunk ? State::chunk_end : State::complete;
    }
}

Result<std::optional<std::string>> AnswerReader::take_line(BytesView& data) {
    const std::string_view text = as_text(data);
    const std::size_t end = text.find('\n');
    const std::size_t count = end == std::string_view::npos ? text.size() : end + 1;
    buffer_ += text.substr(0, count);
    data = data.subspan(count);
    if (state_ == State::trailer) {
        trailer_bytes_ += count;
    }
    const std::size_t most = state_ == State::trailer ? kMaximumTrailer : kMaximumLine;
    if (buffer_.size() > most || trailer_bytes_ > kMaximumTrailer) {
        return refused("a line of its chunked form is too long");
    }
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    std::string line = std::exchange(buffer_, {});
    line.pop_back();
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    return line;
}

Result<void> AnswerReader::take_chunk_line(BytesView& data) {
    TRY(const auto line, take_line(data));
    if (!line) {
        return {};
    }
    if (state_ == State::chunk_end) {
        if (!line->empty()) {
            return refused("a chunk is longer than it says");
        }
        state_ = State::chunk_size;
    } else if (state_ == State::trailer) {
        state_ = line->empty() ? State::complete : State::trailer;
    } else {
        const auto size =
            number<std::uint64_t>(trim(std::string_view(*line).substr(0, line->find(';'))), 16);
        if (!size) {
            return refused("a chunk's size is no number");
        }
        left_ = *size;
        state_ = left_ == 0 ? State::trailer : State::chunk;
    }
    return {};
}

}  // namespace decloud::sandbox::server
