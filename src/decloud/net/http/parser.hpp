#pragma once

#include "message.hpp"

#include <decloud/base/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::net::http {

/// How large a message may be; beyond it the parser fails with 400, 414 or 431.
struct Limits {
    std::size_t max_target_bytes = 16 * 1024;
    /// Of the whole head: first line, fields and line ends.
    std::size_t max_header_bytes = 64 * 1024;
    std::size_t max_headers = 256;
    /// Of one chunk-size line's extensions; RFC 9112 §7.1.1 asks for a limit.
    std::size_t max_chunk_extension_bytes = 256;
    std::size_t max_trailer_bytes = 16 * 1024;
    std::uint64_t max_content_length = std::uint64_t{1} << 50;
};

/// Why a message is refused.
struct ParseError {
    /// What a server answers: 400, 414, 431, 501 or 505.
    int status = 400;
    /// Static text, safe to show to the peer.
    std::string_view reason;
};

/// What a parser has found.
enum class ParseEvent {
    /// All input is consumed and more is needed.
    need_more,
    /// The head is complete: `head()`, `body_length()`.
    head,
    /// `body` holds bytes of the body; a view into the input.
    body,
    /// The message is complete: `trailers()`. `reset()` before the next one.
    end,
    /// `error()`. Nothing more can be parsed.
    failed,
};

/// What one call of `next` gave.
struct ParseStep {
    ParseEvent event = ParseEvent::need_more;
    /// How much of the input is done with; give the rest again.
    std::size_t consumed = 0;
    BytesView body;
};

namespace internal {

/// How the length of a body is known. RFC 9112 §6.
enum class Framing { none, content_length, chunked, until_close };

/// What requests and responses have in common: lines, fields, bodies. RFC 9112.
class MessageParser {
  public:
    explicit MessageParser(const Limits& limits) : limits_(limits) {}

    /// The next event. The input may be cut anywhere without changing the result.
    [[nodiscard]] ParseStep next(BytesView input);
    [[nodiscard]] const ParseError& error() const { return error_; }
    [[nodiscard]] const Headers& trailers() const { return trailers_; }
    /// Content-Length if there is one; 0 if there is no body; nothing if it is not known.
    [[nodiscard]] std::optional<std::uint64_t> body_length() const;
    /// What is still to come of a body with Content-Length; 0 for any other.
    [[nodiscard]] std::uint64_t fixed_body_left() const {
        return state_ == State::fixed_body ? remaining_ : 0;
    }
    [[nodiscard]] bool is_chunked() const { return framing_ == Framing::chunked; }
    /// True if no byte of a message has been seen.
    [[nodiscard]] bool at_start() const { return state_ == State::first_line && head_bytes_ == 0; }
    [[nodiscard]] bool head_done() const {
        return state_ != State::first_line && state_ != State::fields && state_ != State::failed;
    }
    [[nodiscard]] bool at_end() const { return state_ == State::done; }
    /// True after a message that allows another one on the connection.
    [[nodiscard]] bool keep_alive() const { return keep_alive_; }

  protected:
    ~MessageParser() = default;
    MessageParser(const MessageParser&) = default;
    MessageParser& operator=(const MessageParser&) = default;
    MessageParser(MessageParser&&) = default;
    MessageParser& operator=(MessageParser&&) = default;

    enum class State : std::uint8_t {
        first_line,
        fields,
        fixed_body,
        chunk_size,
        chunk_data,
        chunk_data_end,
        trailers,
        body_until_close,
        finishing,
        done,
        failed,
    };

    virtual bool on_first_line(std::string_view line) = 0;
    /// Checks the complete head and sets `framing_`, `length_` and `keep_alive_`.
    virtual bool on_head_complete() = 0;
    virtual Headers& head_fields() = 0;

    void reset_message();
    bool refuse(std::string_view reason, int status = 400);
    /// Reads Content-Length and Transfer-Encoding into `framing_`; `none` without either.
    bool read_framing(bool http_1_0);

    Limits limits_;
    ParseError error_;
    Headers trailers_;
    Framing framing_ = Framing::none;
    std::uint64_t length_ = 0;
    State state_ = State::first_line;
    bool keep_alive_ = true;

  private:
    struct Line {
        bool complete = false;
        std::string_view text;
    };
    Line take_line(BytesView input, std::size_t& consumed, std::size_t limit, int limit_status);
    ParseStep step_line(BytesView input);
    ParseStep step_body(BytesView input);
    ParseStep finish_line(State before, std::size_t consumed);
    bool on_line(std::string_view line);
    bool on_field(std::string_view line, Headers& fields);
    bool on_fields_end();
    bool on_chunk_size(std::string_view line);
    [[nodiscard]] std::size_t line_limit() const;
    [[nodiscard]] int line_limit_status() const;

    std::string partial_;
    std::size_t head_bytes_ = 0;
    std::uint64_t remaining_ = 0;
};

}  // namespace internal

/// What a RequestParser makes of CONNECT.
enum class ConnectRequests : std::uint8_t {
    /// 501
    refused,
    /// A request for "host:port", which Host has to repeat, without any content.
    parsed,
};

/// Parses requests strictly: whatever two implementations could read differently is refused. Pure:
/// no input or output. Not thread safe.
class RequestParser final : public internal::MessageParser {
  public:
    /// Ready for a first message.
    explicit RequestParser(
        const Limits& limits = {}, ConnectRequests connect = ConnectRequests::refused)
        : MessageParser(limits), connect_(connect) {}
    /// Valid from `head` until `reset()`.
    [[nodiscard]] const RequestHead& head() const { return head_; }
    [[nodiscard]] RequestHead& head() { return head_; }
    /// True if the head has `Expect: 100-continue`. Valid as `head()`.
    [[nodiscard]] bool expects_continue() const { return expects_continue_; }
    /// Makes ready for the next message of the connection; keeps the memory.
    void reset();

  private:
    bool on_first_line(std::string_view line) override;
    bool on_head_complete() override;
    Headers& head_fields() override { return head_.headers; }
    bool check_target();
    bool check_host();
    bool check_connect();

    ConnectRequests connect_;
    RequestHead head_;
    bool expects_continue_ = false;
};

/// Parses responses as strictly.
class ResponseParser final : public internal::MessageParser {
  public:
    /// Ready for the answer to a request other than HEAD.
    explicit ResponseParser(const Limits& limits = {}) : MessageParser(limits) {}
    /// Valid from `head` until `reset()`.
    [[nodiscard]] const ResponseHead& head() const { return head_; }
    [[nodiscard]] ResponseHead& head() { return head_; }
    /// `head_request`: the answer to HEAD, which has no body whatever its fields say.
    void reset(bool head_request);
    /// The connection has ended: `end` if that ends the message, else `failed`.
    [[nodiscard]] ParseStep finish();
    /// True if the body ends with the connection, so that a cut cannot be seen.
    [[nodiscard]] bool until_close() const { return framing_ == internal::Framing::until_close; }

  private:
    bool on_first_line(std::string_view line) override;
    bool on_head_complete() override;
    Headers& head_fields() override { return head_.headers; }

    ResponseHead head_;
    bool head_request_ = false;
    bool http_1_0_ = false;
};

}  // namespace decloud::net::http
