#include "../error.hpp"
#include "client_impl.hpp"
#include "client_stream.hpp"
#include "serialize.hpp"

#include <decloud/async/contained.hpp>
#include <decloud/base/units.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace decloud::net::http::internal {

namespace {

using net::internal::WriteParts;

/// Larger bodies are sent beside the reading of the answer, which may come early.
constexpr std::size_t kInlineBody = 64 * 1024;
constexpr std::size_t kSourceBuffer = 64 * 1024;
constexpr std::size_t kMaxInterims = 16;

}  // namespace

ClientCall::ClientCall(std::shared_ptr<ClientImpl> client,
    std::shared_ptr<ClientConnection> connection,
    bool head_request)
    : client_(std::move(client)),
      connection_(std::move(connection)),
      parser_(client_->settings().limits),
      head_request_(head_request),
      may_continue_(client_->executor()) {
    parser_.reset(head_request_);
    client_->add(*this);
}

ClientCall::~ClientCall() {
    client_->remove(*this);
    if (connection_ && !ended_ && !handed_over_) {
        connection_->close();
    }
}

async::Task<Result<void>> ClientCall::run(
    std::string head, std::shared_ptr<ClientRequest> request) {
    request_ = std::move(request);
    WriteParts parts;
    parts.parts[0] = as_bytes(head);
    const Bytes* bytes = std::get_if<Bytes>(&request_->body);
    const bool inline_body = bytes != nullptr && bytes->size() <= kInlineBody;
    if (inline_body) {
        parts.parts[1] = *bytes;
    }
    request_sent_ = inline_body || std::holds_alternative<std::monostate>(request_->body);
    // A server may answer and close without reading all: what it said is worth more than the error.
    const auto written = co_await send_part(parts);
    head_sent_ = written.has_value() || inline_body;
    if (written && !request_sent_) {
        start_sending();
    }
    auto result = co_await read_head();
    if (!result) {
        Error error = why(!written && !received_ ? written.error() : result.error());
        abort();
        co_return fail(std::move(error));
    }
    final_head_ = true;
    may_continue_.set();
    if (!written) {
        request_sent_ = false;
    }
    if (parser_.body_length() == 0 && parser_.head().status != 101) {
        const ParseStep step = parser_.next({});
        if (step.event == ParseEvent::end) {
            response_ended();
        }
    }
    co_return Result<void>{};
}

Error ClientCall::why(Error error) const {
    if (failure_) {
        return *failure_;
    }
    if (connection_->timed_out) {
        return {make_error_code(CommonError::timeout), "the server did not answer in time"};
    }
    return error;
}

async::Task<Result<void>> ClientCall::read_head() {
    for (;;) {
        const ParseStep step = parser_.next(connection_->buffered());
        connection_->consume(step.consumed);
        if (step.event == ParseEvent::failed) {
            co_return fail(NetError::malformed_message, std::string(parser_.error().reason));
        }
        if (step.event == ParseEvent::head) {
            CO_TRY(const bool interim, take_interim());
            if (!interim) {
                co_return Result<void>{};
            }
            continue;
        }
        CO_TRY(const std::size_t got, co_await fill(client_->settings().head_timeout));
        if (got == 0) {
            co_return fail(NetError::connection_closed, "the server closed without an answer");
        }
    }
}

Result<bool> ClientCall::take_interim() {
    const int status = parser_.head().status;
    if (status >= 200 || status == 101) {
        return false;
    }
    if (++interims_ > kMaxInterims) {
        return fail(NetError::malformed_message, "too many interim answers");
    }
    parser_.reset(head_request_);
    if (status == 100) {
        may_continue_.set();
        if (request_->on_continue) {
            request_->on_continue();
        }
    }
    return true;
}

async::Task<Result<std::size_t>> ClientCall::fill(std::chrono::milliseconds limit) {
    const auto connection = connection_;
    if (connection->closed) {
        co_return fail(NetError::connection_closed);
    }
    connection->read_deadline = client_->now() + limit;
    const auto room = std::span(connection->input).subspan(connection->input_end);
    auto got = co_await connection->transport->read(room);
    connection->read_deadline = TimePoint::max();
    if (got) {
        received_ = received_ || *got > 0;
        connection->input_end += *got;
    }
    co_return got;
}

async::Task<Result<std::size_t>> ClientCall::read(std::span<std::uint8_t> buffer) {
    const auto self = shared_from_this();
    if (ended_) {
        co_return std::size_t{0};
    }
    if (!connection_ || connection_->closed || handed_over_ || buffer.empty()) {
        co_return fail(why(Error(make_error_code(NetError::connection_closed), {})));
    }
    for (;;) {
        const BytesView input = connection_->buffered();
        if (input.empty() && parser_.fixed_body_left() > 0) {
            co_return co_await read_directly(buffer);
        }
        const ParseStep step = parser_.next(input.first(std::min(input.size(), buffer.size())));
        if (step.event == ParseEvent::body) {
            std::memcpy(buffer.data(), step.body.data(), step.body.size());
            connection_->consume(step.consumed);
            co_return step.body.size();
        }
        connection_->consume(step.consumed);
        if (step.event == ParseEvent::end) {
            response_ended();
            co_return std::size_t{0};
        }
        if (step.event == ParseEvent::failed) {
            abort();
            co_return fail(NetError::malformed_message, std::string(parser_.error().reason));
        }
        if (!connection_->buffered().empty()) {
            continue;
        }
        const auto got = co_await fill(client_->settings().idle_timeout);
        const bool end = got && *got == 0;
        if (end && parser_.finish().event == ParseEvent::end) {
            response_ended();
            co_return std::size_t{0};
        }
        if (!got || end) {
            Error error = why(end ? Error(make_error_code(NetError::connection_closed),
                                        "the answer was cut short")
                                  : got.error());
            abort();
            co_return fail(std::move(error));
        }
    }
}

async::Task<Result<std::size_t>> ClientCall::read_directly(std::span<std::uint8_t> buffer) {
    const auto connection = connection_;
    const auto most = std::min<std::uint64_t>(buffer.size(), parser_.fixed_body_left());
    connection->read_deadline = client_->now() + client_->settings().idle_timeout;
    const auto got =
        co_await connection->transport->read(buffer.first(static_cast<std::size_t>(most)));
    connection->read_deadline = TimePoint::max();
    if (!got || *got == 0) {
        Error error = why(
            got ? Error(make_error_code(NetError::connection_closed), "the answer was cut short")
                : got.error());
        abort();
        co_return fail(std::move(error));
    }
    (void)parser_.next(BytesView(buffer).first(*got));
    co_return *got;
}

async::Task<Result<Bytes>> ClientCall::read_all(std::uint64_t limit) {
    constexpr std::uint64_t kStep = 64 * kKiB;
    Bytes body;
    std::size_t size = 0;
    for (;;) {
        const std::uint64_t wanted = std::max<std::uint64_t>(parser_.fixed_body_left(), 1);
        const std::uint64_t step = parser_.body_length() ? std::min(wanted, kMiB) : kStep;
        body.resize(size + static_cast<std::size_t>(std::min(step, limit - size + 1)));
        CO_TRY(const std::size_t got, co_await read(std::span(body).subspan(size)));
        if (got == 0) {
            break;
        }
        size += got;
        if (size > limit) {
            abort();
            co_return fail(CommonError::limit_exceeded, "the answer is too long");
        }
    }
    body.resize(size);
    co_return body;
}

void ClientCall::response_ended() {
    ended_ = true;
    const bool reusable = request_sent_ && parser_.keep_alive() && !connection_->closed &&
                          connection_->buffered().empty();
    if (!reusable) {
        stop_sending();
        connection_->close();
        return;
    }
    client_->give_back(connection_);
}

Result<std::unique_ptr<Stream>> ClientCall::upgrade() {
    if (parser_.head().status != 101 || handed_over_ || connection_->closed) {
        return fail(NetError::wrong_state, "the connection was not upgraded");
    }
    handed_over_ = true;
    return std::make_unique<ClientStream>(connection_);
}

void ClientCall::abort() {
    if (ended_ || handed_over_) {
        return;
    }
    stop_sending();
    connection_->close();
}

void ClientCall::check_deadlines(TimePoint now) {
    if (now >= connection_->read_deadline || now >= connection_->write_deadline) {
        connection_->timed_out = true;
        connection_->close();
    }
}

void ClientCall::stop_sending() {
    if (sending_) {
        cancel_sending_.emit(boost::asio::cancellation_type::terminal);
    }
}

void ClientCall::start_sending() {
    sending_ = true;
    client_->tasks().spawn([](std::shared_ptr<ClientCall> call) -> async::Task<void> {
        try {
            co_await boost::asio::co_spawn(call->client_->executor(),
                async::contained(call->send_body()),
                boost::asio::bind_cancellation_slot(
                    call->cancel_sending_.slot(), boost::asio::use_awaitable));
            // NOLINTNEXTLINE(bugprone-empty-catch): the rest is the same either way
        } catch (const boost::system::system_error&) {
            // Cancelled: the answer ended first, or nobody wants it.
        }
        call->sending_ = false;
        call->request_->body = std::monostate{};
    }(shared_from_this()));
}

async::Task<void> ClientCall::send_body() {
    const auto sent = co_await send_all();
    if (sent) {
        request_sent_ = true;
        co_return;
    }
    if (sent.error().code() == NetError::body_source_failed) {
        failure_ = sent.error();
        connection_->close();
    }
}

async::Task<Result<void>> ClientCall::send_all() {
    if (request_->headers.has_token("Expect", "100-continue")) {
        // Without an answer the body is sent after a while: RFC 9110 §10.1.1.
        (void)co_await may_continue_.wait(client_->settings().continue_timeout);
        if (final_head_) {
            co_return fail(CommonError::cancelled, "the server answered without the body");
        }
    }
    if (auto* source = std::get_if<BodySource>(&request_->body)) {
        co_return co_await send_source(*source);
    }
    WriteParts parts;
    parts.parts[0] = std::get<Bytes>(request_->body);
    co_return co_await send_part(parts);
}

// `source` is a member of the request, which the call owns.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
async::Task<Result<void>> ClientCall::send_source(BodySource& source) {
    Bytes buffer(kSourceBuffer);
    std::string size_line;
    std::uint64_t left = source.length.value_or(0);
    while (!source.length || left > 0) {
        auto got = co_await source.read(std::span(buffer));
        if (!got) {
            co_return fail(NetError::body_source_failed, got.error().message());
        }
        if (*got == 0) {
            break;
        }
        WriteParts parts;
        parts.parts[1] = BytesView(buffer).first(*got);
        if (source.length) {
            if (*got > left) {
                co_return fail(NetError::body_source_failed, "it is longer than its length");
            }
            left -= *got;
        } else {
            size_line.clear();
            append_chunk_size(size_line, *got);
            parts.parts[0] = as_bytes(size_line);
            parts.parts[2] = as_bytes("\r\n");
        }
        CO_TRY_VOID(co_await send_part(parts));
    }
    if (source.length) {
        if (left > 0) {
            co_return fail(NetError::body_source_failed, "it is shorter than its length");
        }
        co_return Result<void>{};
    }
    std::string last;
    CO_TRY_VOID(append_last_chunk(last, source.trailers ? source.trailers() : Headers{}));
    WriteParts parts;
    parts.parts[0] = as_bytes(last);
    co_return co_await send_part(parts);
}

async::Task<Result<void>> ClientCall::send_part(WriteParts parts) {
    const auto connection = connection_;
    connection->write_deadline = client_->now() + client_->settings().idle_timeout;
    auto written = co_await connection->transport->write(parts);
    connection->write_deadline = TimePoint::max();
    if (connection->read_deadline != TimePoint::max() && !final_head_) {
        connection->read_deadline = client_->now() + client_->settings().head_timeout;
    }
    co_return written;
}

}  // namespace decloud::net::http::internal
