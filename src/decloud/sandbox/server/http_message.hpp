#pragma once

#include "../cgi.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::sandbox::server {

/// How a request's body is framed.
struct BodyFraming {
    /// Absent: chunked, as nobody knows the length.
    std::optional<std::uint64_t> length;
};

/// The head of the HTTP/1.1 request that a server gets: the path after the deployment's prefix, the
/// headers that may pass, X-Forwarded-For, -Host, -Prefix and -Proto of our own, and "Connection:
/// close", as each request has a connection, or "Connection: Upgrade".
[[nodiscard]] std::string make_request_head(const CgiRequest& request, const BodyFraming& framing);

/// Reads a server's answer and turns it into a CGI answer: "Status: 200 …", its headers, an empty
/// line, its body. Strict and incremental; what comes is untrusted. Pure.
class AnswerReader {
  public:
    /// Longest head in bytes: what a CGI answer's may be, with room for "Status:".
    static constexpr std::size_t kMaximumHead = CgiParser::kMaximumHead - 64;
    /// Answers with a status below 200 before the one that counts.
    static constexpr std::size_t kMaximumInterim = 8;

    /// What the answer is to: any request, a HEAD, whose answer has no body, or one that asks for
    /// an upgrade, which may be answered 101; what follows that is not HTTP and ends with the
    /// connection.
    enum class Asked { any, head, upgrade };
    explicit AnswerReader(Asked asked) : asked_(asked) {}

    /// Takes the next bytes and appends what they become to `out`. Errors: invalid_input for what
    /// is no answer, limit_exceeded for a head that is too long. Bytes after the end are ignored.
    [[nodiscard]] Result<void> feed(BytesView data, Bytes& out);
    /// The connection has ended. Error: corrupt if the answer is not whole.
    [[nodiscard]] Result<void> finish();

    /// The answer is whole.
    [[nodiscard]] bool complete() const { return state_ == State::complete; }
    /// The answer is 101.
    [[nodiscard]] bool upgraded() const { return upgraded_; }
    /// The head is there.
    [[nodiscard]] bool started() const { return state_ != State::head; }

  private:
    enum class State { head, length, until_close, chunk_size, chunk, chunk_end, trailer, complete };

    [[nodiscard]] Result<void> read_head(Bytes& out);
    [[nodiscard]] Result<void> read_fields(std::string_view fields, int status, Bytes& out);
    void choose_body(int status);
    /// A line without its end, once it is there in full.
    [[nodiscard]] Result<std::optional<std::string>> take_line(BytesView& data);
    [[nodiscard]] Result<void> take_chunk_line(BytesView& data);
    void take_body(BytesView& data, Bytes& out);

    Asked asked_;
    bool upgraded_ = false;
    State state_ = State::head;
    /// The head, or a line of the chunked form, as far as it has come.
    std::string buffer_;
    std::optional<std::uint64_t> length_;
    bool chunked_ = false;
    std::uint64_t left_ = 0;
    std::size_t trailer_bytes_ = 0;
    /// Answers before the one that counts.
    std::size_t interim_ = 0;
};

}  // namespace decloud::sandbox::server
