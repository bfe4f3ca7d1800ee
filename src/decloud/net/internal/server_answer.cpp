#include "../channel_binding.hpp"
#include "../error.hpp"
#include "serialize.hpp"
#include "server_connection.hpp"
#include "server_impl.hpp"

#include <decloud/base/units.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace decloud::net::http::internal {

namespace {

using net::internal::WriteParts;
using net::internal::WriteStatus;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

bool never_has_body(int status) { return status < 200 || status == 204 || status == 304; }

/// The connection's bytes after 101.
class UpgradedStream final : public Stream, public ChannelBinding {
  public:
    explicit UpgradedStream(std::shared_ptr<ServerConnection> connection)
        : connection_(std::move(connection)) {}
    UpgradedStream(const UpgradedStream&) = delete;
    UpgradedStream& operator=(const UpgradedStream&) = delete;
    ~UpgradedStream() override { connection_->close(); }

    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        return connection_->read_raw(buffer);
    }
    async::Task<Result<void>> write(BytesView bytes) override {
        return connection_->write_raw(bytes);
    }
    void shutdown_write() override { connection_->shutdown_write(); }
    void close() override { connection_->close(); }
    Bytes exporter(std::string_view label) const override { return connection_->exporter(label); }

  private:
    std::shared_ptr<ServerConnection> connection_;
};

}  // namespace

async::Task<Result<std::size_t>> ServerConnection::read_body(
    std::uint64_t serial, std::span<std::uint8_t> buffer) {
    if (!is_current(serial) || upgraded_ || buffer.empty()) {
        co_return fail(NetError::wrong_state, "reading a body that is not there");
    }
    while (!body_ended_) {
        const BytesView input = buffered();
        const ParseStep step = parser_.next(input.first(std::min(input.size(), buffer.size())));
        if (step.event == ParseEvent::body) {
            std::memcpy(buffer.data(), step.body.data(), step.body.size());
            continue_owed_ = false;
            consume(step.consumed);
            arm_read();
            co_return step.body.size();
        }
        consume(step.consumed);
        if (step.event == ParseEvent::end) {
            body_ended_ = true;
            break;
        }
        if (step.event == ParseEvent::failed) {
            body_failed_ = close_after_ = true;
            co_return fail(NetError::malformed_message, std::string(parser_.error().reason));
        }
        if (!buffered().empty()) {
            continue;
        }
        if (continue_owed_ && answer_ == Answer::none && !writing_) {
            continue_owed_ = false;
            out_.append(kContinue);
            CO_TRY_VOID(co_await write_out({}));
        }
        if (auto ready = co_await wait_for_input(ReadWait::body); !ready) {
            // Who no longer waits may read on later.
            close_after_ = close_after_ || ready.error().code() != CommonError::cancelled;
            co_return std::unexpected(std::move(ready.error()));
        }
    }
    co_return std::size_t{0};
}

async::Task<Result<Bytes>> ServerConnection::read_all(std::uint64_t serial, std::uint64_t limit) {
    constexpr std::size_t kStep = 16 * 1024;
    Bytes body;
    if (!is_current(serial)) {
        co_return fail(NetError::wrong_state, "the handler has returned");
    }
    const std::uint64_t left = parser_.fixed_body_left();
    if (left > limit) {
        co_return fail(CommonError::limit_exceeded, "the request's body is too long");
    }
    std::size_t size = 0;
    for (;;) {
        if (parser_.fixed_body_left() == 0 && !parser_.is_chunked()) {
            break;
        }
        const std::uint64_t room = limit - size + 1;
        const std::uint64_t wanted = parser_.is_chunked() ? kStep : parser_.fixed_body_left();
        body.resize(size + static_cast<std::size_t>(std::min({wanted, room, kMiB})));
        CO_TRY(const std::size_t got, co_await read_body(serial, std::span(body).subspan(size)));
        if (got == 0) {
            break;
        }
        size += got;
        if (size > limit) {
            co_return fail(CommonError::limit_exceeded, "the request's body is too long");
        }
    }
    body.resize(size);
    co_return body;
}

void ServerConnection::decide_persistence() {
    if (!body_ended_ && !parser_.is_chunked() && parser_.fixed_body_left() == 0) {
        body_ended_ = true;
    }
    const bool cannot_drain =
        !body_ended_ &&
        (continue_owed_ || parser_.fixed_body_left() > server_->settings().max_drained_bytes);
    // What was sent behind a refused CONNECT was meant for somebody else.
    const bool refuses_connect = request().method == "CONNECT";
    close_after_ = close_after_ || draining_ || cannot_drain || refuses_connect;
}

Result<void> ServerConnection::begin_answer(
    std::uint64_t serial, const ResponseHead& head, std::optional<std::uint64_t> body_size) {
    if (!is_current(serial) || answer_ != Answer::none || writing_) {
        return fail(NetError::wrong_state, "an answer was begun already");
    }
    if (closed_ || output_failed_) {
        return fail(NetError::connection_closed);
    }
    if (head.status < 200 || head.status > 999 ||
        (!head.reason.empty() && !is_valid_field("Reason", head.reason))) {
        return fail(CommonError::invalid_input, "a bad status line");
    }
    if (request().method == "CONNECT" && head.status < 300) {
        return fail(NetError::wrong_state, "CONNECT is accepted otherwise");
    }
    decide_persistence();
    const std::size_t before = out_.size();
    out_.append("HTTP/1.1 ");
    append_decimal(out_, static_cast<std::uint64_t>(head.status));
    out_.append(" ").append(head.reason.empty() ? reason_phrase(head.status) : head.reason);
    out_.append("\r\n");
    auto appended = append_fields(out_, head.headers);
    if (appended) {
        appended = append_framing(head, body_size);
    }
    if (!appended) {
        out_.resize(before);
        return appended;
    }
    if (!head.headers.contains("Date")) {
        append_field(out_, "Date", http_date());
    }
    if (close_after_) {
        out_.append("Connection: close\r\n");
    } else if (request().http_1_0) {
        out_.append("Connection: keep-alive\r\n");
    }
    out_.append("\r\n");
    return {};
}

Result<void> ServerConnection::append_framing(
    const ResponseHead& head, std::optional<std::uint64_t> body_size) {
    const bool is_head = request().method == "HEAD";
    discard_answer_body_ = is_head || never_has_body(head.status);
    chunked_answer_ = false;
    answer_left_.reset();
    std::optional<std::uint64_t> declared;
    if (const auto text = head.headers.find("Content-Length")) {
        declared = parse_content_length(*text, server_->settings().limits.max_content_length);
        if (!declared || head.headers.count("Content-Length") > 1) {
            return fail(CommonError::invalid_input, "a bad Content-Length");
        }
    }
    if (head.status < 200 || head.status == 204) {
        return {};
    }
    std::optional<std::uint64_t> length = body_size;
    if (!body_size || (discard_answer_body_ && declared)) {
        length = declared;
    } else if (head.status == 304) {
        length.reset();
    }
    if (length) {
        out_.append("Content-Length: ");
        append_decimal(out_, *length);
        out_.append("\r\n");
        answer_left_ = length;
    } else if (!discard_answer_body_) {
        if (request().http_1_0) {
            close_after_ = true;
        } else {
            chunked_answer_ = true;
            out_.append("Transfer-Encoding: chunked\r\n");
        }
    }
    return {};
}

template <class Body>
async::Task<Result<void>> ServerConnection::send_whole(
    std::uint64_t serial, ResponseHead head, Body body) {
    CO_TRY_VOID(begin_answer(serial, head, body.size()));
    answer_ = Answer::complete;
    WriteParts parts;
    if (!discard_answer_body_) {
        parts.parts[1] = {reinterpret_cast<const std::uint8_t*>(body.data()), body.size()};
    }
    co_return co_await write_out(parts);
}

async::Task<Result<void>> ServerConnection::send(
    std::uint64_t serial, ResponseHead head, Bytes body) {
    return send_whole(serial, std::move(head), std::move(body));
}

async::Task<Result<void>> ServerConnection::send(
    std::uint64_t serial, ResponseHead head, std::string body) {
    return send_whole(serial, std::move(head), std::move(body));
}

async::Task<Result<void>> ServerConnection::start(std::uint64_t serial, ResponseHead head) {
    CO_TRY_VOID(begin_answer(serial, head, std::nullopt));
    answer_ = Answer::streaming;
    // The first part of the body mostly follows at once and then goes in the same packet.
    flush_later();
    co_return Result<void>{};
}

async::Task<Result<void>> ServerConnection::write_body(std::uint64_t serial, BytesView bytes) {
    if (!is_current(serial) || answer_ != Answer::streaming) {
        co_return fail(NetError::wrong_state, "writing without an answer begun");
    }
    if (discard_answer_body_ || bytes.empty()) {
        co_return Result<void>{};
    }
    WriteParts parts;
    std::string size_line;
    if (chunked_answer_) {
        append_chunk_size(size_line, bytes.size());
        parts.parts[1] = as_bytes(size_line);
        parts.parts[3] = as_bytes("\r\n");
    } else if (answer_left_) {
        if (bytes.size() > *answer_left_) {
            co_return fail(NetError::wrong_state, "the body is longer than its Content-Length");
        }
        *answer_left_ -= bytes.size();
    }
    parts.parts[2] = bytes;
    co_return co_await write_out(parts);
}

async::Task<Result<void>> ServerConnection::finish(std::uint64_t serial, Headers trailers) {
    if (!is_current(serial) || answer_ != Answer::streaming) {
        co_return fail(NetError::wrong_state, "finishing without an answer begun");
    }
    if (!discard_answer_body_ && answer_left_.value_or(0) != 0) {
        co_return fail(NetError::wrong_state, "the body is shorter than its Content-Length");
    }
    if (chunked_answer_) {
        std::string last;
        CO_TRY_VOID(append_last_chunk(last, trailers));
        WriteParts parts;
        parts.parts[1] = as_bytes(last);
        CO_TRY_VOID(co_await write_out(parts));
    } else {
        CO_TRY_VOID(co_await write_out({}));
    }
    answer_ = Answer::complete;
    co_return Result<void>{};
}

async::Task<Result<std::unique_ptr<Stream>>> ServerConnection::upgrade(
    std::uint64_t serial, ResponseHead head) {
    const bool is_connect = request().method == "CONNECT";
    if (!is_current(serial) || answer_ != Answer::none || writing_ ||
        (request().http_1_0 && !is_connect)) {
        co_return fail(NetError::wrong_state, "no upgrade is possible");
    }
    std::string text = is_connect ? "HTTP/1.1 200 Connection Established\r\n"
                                  : "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
    CO_TRY_VOID(append_fields(text, head.headers));
    text.append("\r\n");
    out_.append(text);
    answer_ = Answer::complete;
    CO_TRY_VOID(co_await write_out({}));
    upgraded_ = true;
    read_wait_ = ReadWait::nothing;
    read_deadline_ = TimePoint::max();
    co_return std::make_unique<UpgradedStream>(shared_from_this());
}

async::Task<Result<void>> ServerConnection::accept_connect(std::uint64_t serial) {
    if (!is_current(serial) || answer_ != Answer::none || writing_ ||
        request().method != "CONNECT") {
        co_return fail(NetError::wrong_state, "no CONNECT to accept");
    }
    if (!buffered().empty()) {
        co_return fail(NetError::malformed_message, "something was sent before CONNECT's answer");
    }
    if (request().http_1_0) {
        co_return fail(NetError::malformed_message, "CONNECT wants HTTP/1.1 here");
    }
    out_.append("HTTP/1.1 200 Connection Established\r\n");
    append_field(out_, "Date", http_date());
    out_.append("\r\n");
    answer_ = Answer::complete;
    close_after_ = false;
    through_connect_ = true;
    co_return co_await write_out({});
}

async::Task<Result<std::size_t>> ServerConnection::read_raw(std::span<std::uint8_t> buffer) {
    if (buffer.empty()) {
        co_return fail(NetError::wrong_state, "reading into nothing");
    }
    while (buffered().empty()) {
        if (closed_) {
            co_return fail(NetError::connection_closed);
        }
        if (input_ended_) {
            co_return std::size_t{0};
        }
        if (auto ready = co_await wait_for_input(ReadWait::nothing);
            !ready && ready.error().code() != NetError::connection_closed) {
            co_return std::unexpected(std::move(ready.error()));
        }
    }
    const std::size_t size = std::min(buffered().size(), buffer.size());
    std::memcpy(buffer.data(), buffered().data(), size);
    consume(size);
    arm_read();
    co_return size;
}

async::Task<Result<void>> ServerConnection::write_raw(BytesView bytes) {
    WriteParts parts;
    parts.parts[1] = bytes;
    return write_out(parts);
}

async::Task<Result<void>> ServerConnection::write_out(WriteParts parts) {
    if (writing_) {
        co_return fail(NetError::wrong_state, "two writes at a time");
    }
    if (closed_ || output_failed_) {
        co_return fail(NetError::connection_closed);
    }
    std::shared_ptr<ServerConnection> self;
    parts.parts[0] = as_bytes(out_).subspan(out_sent_);
    writing_ = true;
    for (;;) {
        const WriteStatus status = socket_.try_write(parts);
        if (status == WriteStatus::done) {
            break;
        }
        boost::system::error_code error;
        if (status == WriteStatus::would_block) {
            self = shared_from_this();
            write_deadline_ = server_->now() + server_->settings().write_timeout;
            co_await socket_.plain().async_wait(net::internal::Socket::wait_write,
                boost::asio::redirect_error(boost::asio::use_awaitable, error));
            write_deadline_ = TimePoint::max();
        }
        if (status == WriteStatus::failed || error || closed_) {
            output_failed_ = close_after_ = true;
            writing_ = false;
            client_gone();
            if (write_timed_out_) {
                co_return fail(CommonError::timeout, "the client does not read");
            }
            co_return fail(NetError::connection_closed);
        }
    }
    out_.clear();
    out_sent_ = 0;
    writing_ = false;
    co_return Result<void>{};
}

void ServerConnection::flush_later() {
    if (!flush_pending_) {
        flush_pending_ = true;
        boost::asio::post(server_->executor(), [self = shared_from_this()] { self->flush(); });
    }
}

void ServerConnection::flush() {
    flush_pending_ = false;
    if (writing_ || closed_ || output_failed_ || out_.empty()) {
        return;
    }
    WriteParts parts;
    parts.parts[0] = as_bytes(out_).subspan(out_sent_);
    const WriteStatus status = socket_.try_write(parts);
    out_sent_ = out_.size() - parts.parts[0].size();
    if (status == WriteStatus::done) {
        out_.clear();
        out_sent_ = 0;
        write_deadline_ = TimePoint::max();
    } else if (status == WriteStatus::failed) {
        output_failed_ = close_after_ = true;
        client_gone();
    } else {
        flush_pending_ = true;
        write_deadline_ = server_->now() + server_->settings().write_timeout;
        socket_.plain().async_wait(net::internal::Socket::wait_write,
            [self = shared_from_this()](boost::system::error_code) { self->flush(); });
    }
}

}  // namespace decloud::net::http::internal
