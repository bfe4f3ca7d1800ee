#include "http2_server.hpp"

#include "../error.hpp"
#include "../websocket/handshake.hpp"
#include "http2_head.hpp"
#include "http2_websocket.hpp"
#include "serialize.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/log.hpp>
#include <decloud/base/units.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace decloud::net::http::internal {

namespace {

/// Handlers that still run for streams that are gone, as a multiple of those that may be there.
constexpr std::size_t kHandlersPerStream = 2;

Http2Times times_of(const ServerSettings& settings) {
    return {.header = settings.header_timeout,
        .body = settings.body_timeout,
        .idle = settings.idle_timeout,
        .write = settings.write_timeout};
}

constexpr int kNotImplemented = 501;

bool never_has_body(int status) { return status < 200 || status == 204 || status == 304; }

ssize_t read_output(nghttp2_session*,
    std::int32_t /*id*/,
    std::uint8_t* frame,
    std::size_t size,
    std::uint32_t* flags,
    nghttp2_data_source* source,
    void* /*user*/) {
    return static_cast<Http2Stream*>(source->ptr)->take_output({frame, size}, *flags);
}

}  // namespace

Http2Server::Http2Server(async::Executor executor,
    std::unique_ptr<Stream> transport,
    PeerAddress peer,
    const ServerSettings& settings,
    Handler handler)
    : Http2Session(executor,
          std::move(transport),
          true,
          settings.http2,
          settings.limits,
          times_of(settings)),
      peer_(peer),
      handler_(std::move(handler)),
      max_drained_bytes_(settings.max_drained_bytes),
      handlers_(executor) {}

std::shared_ptr<Http2Stream> Http2Server::begin_stream(std::int32_t id) {
    if (handlers_.size() >= kHandlersPerStream * settings().max_concurrent_streams) {
        return nullptr;
    }
    return std::make_shared<Http2Stream>(shared_from_this(), id);
}

void Http2Server::head_arrived(const std::shared_ptr<Http2Stream>& stream) {
    if (stream->closed()) {
        return;
    }
    auto exchange = std::make_shared<Http2Exchange>(
        std::static_pointer_cast<Http2Server>(shared_from_this()), stream);
    handlers_.spawn([](std::shared_ptr<Http2Exchange> one) -> async::Task<void> {
        co_await one->serve();
    }(std::move(exchange)));
}

async::Task<void> Http2Server::wind_up() { co_await handlers_.join(); }

Http2Exchange::Http2Exchange(
    std::shared_ptr<Http2Server> server, std::shared_ptr<Http2Stream> stream)
    : server_(std::move(server)), stream_(std::move(stream)) {}

async::Task<void> Http2Exchange::serve() {
    // All of a body may have come with the head.
    const bool has_body = !stream_->input_ended() || stream_->has_input();
    auto request = make_request(stream_->fields(), has_body, server_->limits());
    stream_->fields() = {};
    if (!request) {
        co_await refuse(request.error().status, std::string(request.error().reason));
    } else {
        head_ = std::move(request->head);
        length_ = request->length;
        continue_owed_ = request->expects_continue;
        websocket_key_ = std::move(request->websocket_key);
        co_await run_handler();
        if (answer_ == Answer::none) {
            co_await refuse(500, "the request could not be handled");
        }
    }
    done_ = true;
    if (upgraded_) {
        co_return;
    }
    if (answer_ != Answer::complete) {
        stream_->reset(NGHTTP2_INTERNAL_ERROR);
    }
    stream_->discard_input(continue_owed_ ? 0 : server_->max_drained_bytes());
}

async::Task<void> Http2Exchange::run_handler() {
    try {
        co_await server_->handler()(Exchange(shared_from_this(), 0));
    } catch (const boost::system::system_error& error) {
        if (error.code() != boost::asio::error::operation_aborted) {
            log::error("net", "a request handler failed: {}", error.what());
        }
    } catch (const std::exception& error) {
        log::error("net", "a request handler failed: {}", error.what());
    }
}

async::Task<void> Http2Exchange::refuse(int status, std::string reason) {
    ResponseHead head{status, {}, {{"Content-Type", "text/plain; charset=utf-8"}}};
    if (status == 405) {
        head.headers.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    (void)co_await send(0, std::move(head), reason + "\n");
}

async::Task<Result<std::size_t>> Http2Exchange::read_body(
    std::uint64_t serial, std::span<std::uint8_t> buffer) {
    if (!is_current(serial)) {
        co_return fail(NetError::wrong_state, "the handler has returned");
    }
    if (!websocket_key_.empty()) {
        co_return std::size_t{0};
    }
    if (std::exchange(continue_owed_, false) && answer_ == Answer::none && !stream_->closed()) {
        Http2FieldList list;
        list.add(":status", "100");
        nghttp2_submit_headers(server_->native(), NGHTTP2_FLAG_NONE, stream_->id(), nullptr,
            list.data(), list.size(), nullptr);
        server_->flush_later();
    }
    co_return co_await stream_->read(buffer);
}

async::Task<Result<Bytes>> Http2Exchange::read_all(std::uint64_t serial, std::uint64_t limit) {
    constexpr std::size_t kStep = std::size_t{64} * 1024;
    if (length_.value_or(0) > limit) {
        co_return fail(CommonError::limit_exceeded, "the request's body is too long");
    }
    Bytes body;
    std::size_t size = 0;
    while (length_ != size) {
        body.resize(size + static_cast<std::size_t>(
                               std::min<std::uint64_t>(length_ ? *length_ - size : kStep, kMiB)));
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

Result<void> Http2Exchange::decide_length(
    const ResponseHead& head, std::optional<std::uint64_t> body_size) {
    discard_answer_body_ = head_.method == "HEAD" || never_has_body(head.status);
    std::optional<std::uint64_t> declared;
    if (const auto text = head.headers.find("Content-Length")) {
        declared = parse_content_length(*text, server_->limits().max_content_length);
        if (!declared || head.headers.count("Content-Length") > 1) {
            return fail(CommonError::invalid_input, "a bad Content-Length");
        }
    }
    answer_left_ = !body_size || (discard_answer_body_ && declared) ? declared : body_size;
    if (head.status == 204 || (head.status == 304 && !declared)) {
        answer_left_.reset();
    }
    return {};
}

Result<void> Http2Exchange::begin_answer(
    std::uint64_t serial, const ResponseHead& head, std::optional<std::uint64_t> body_size) {
    if (!is_current(serial) || answer_ != Answer::none) {
        return fail(NetError::wrong_state, "an answer was begun already");
    }
    if (stream_->closed()) {
        return fail(NetError::connection_closed);
    }
    if (head.status < 200 || head.status > 999 || !are_valid_fields(head.headers)) {
        return fail(CommonError::invalid_input, "a header with characters that HTTP forbids");
    }
    TRY_VOID(decide_length(head, body_size));
    Http2FieldList list;
    // To who asked for a WebSocket, 2xx would mean that there is one.
    const bool misleading = !websocket_key_.empty() && !upgraded_ && head.status < 300;
    list.add(":status", std::to_string(misleading ? kNotImplemented : head.status));
    for (const Headers::Field field : head.headers) {
        if (!is_framing_header(field.name) && !equals_ignoring_case(field.name, "Upgrade") &&
            !equals_ignoring_case(field.name, "TE")) {
            list.add(field.name, field.value);
        }
    }
    if (answer_left_) {
        list.add("content-length", std::to_string(*answer_left_));
    }
    if (!head.headers.contains("Date")) {
        list.add("date", http_date());
    }
    nghttp2_data_provider provider{.source = {.ptr = stream_.get()}, .read_callback = read_output};
    const bool whole = discard_answer_body_ || body_size == 0;
    if (nghttp2_submit_response(server_->native(), stream_->id(), list.data(), list.size(),
            whole ? nullptr : &provider) != 0) {
        return fail(NetError::connection_closed);
    }
    server_->flush_later();
    return {};
}

async::Task<Result<void>> Http2Exchange::send_bytes(
    std::uint64_t serial, const ResponseHead& head, BytesView body) {
    CO_TRY_VOID(begin_answer(serial, head, body.size()));
    answer_ = Answer::complete;
    if (!discard_answer_body_ && !body.empty()) {
        auto written = co_await stream_->write(body, true);
        if (!written) {
            answer_ = Answer::streaming;
        }
        co_return written;
    }
    co_return Result<void>{};
}

async::Task<Result<void>> Http2Exchange::send(std::uint64_t serial, ResponseHead head, Bytes body) {
    co_return co_await send_bytes(serial, head, body);
}

async::Task<Result<void>> Http2Exchange::send(
    std::uint64_t serial, ResponseHead head, std::string body) {
    co_return co_await send_bytes(serial, head, as_bytes(body));
}

async::Task<Result<void>> Http2Exchange::start(std::uint64_t serial, ResponseHead head) {
    CO_TRY_VOID(begin_answer(serial, head, std::nullopt));
    answer_ = Answer::streaming;
    co_return Result<void>{};
}

async::Task<Result<void>> Http2Exchange::write_body(std::uint64_t serial, BytesView bytes) {
    if (!is_current(serial) || answer_ != Answer::streaming) {
        co_return fail(NetError::wrong_state, "writing without an answer begun");
    }
    if (discard_answer_body_ || bytes.empty()) {
        co_return Result<void>{};
    }
    if (answer_left_) {
        if (bytes.size() > *answer_left_) {
            co_return fail(NetError::wrong_state, "the body is longer than its Content-Length");
        }
        *answer_left_ -= bytes.size();
    }
    co_return co_await stream_->write(bytes, false);
}

async::Task<Result<void>> Http2Exchange::finish(std::uint64_t serial, Headers trailers) {
    if (!is_current(serial) || answer_ != Answer::streaming) {
        co_return fail(NetError::wrong_state, "finishing without an answer begun");
    }
    if (!discard_answer_body_) {
        if (answer_left_.value_or(0) != 0) {
            co_return fail(NetError::wrong_state, "the body is shorter than its Content-Length");
        }
        if (!are_valid_fields(trailers)) {
            co_return fail(
                CommonError::invalid_input, "a header with characters that HTTP forbids");
        }
        stream_->finish(trailers);
    }
    answer_ = Answer::complete;
    if (stream_->closed()) {
        co_return fail(NetError::connection_closed);
    }
    co_return Result<void>{};
}

async::Task<Result<std::unique_ptr<Stream>>> Http2Exchange::upgrade(
    std::uint64_t serial, ResponseHead head) {
    if (!is_current(serial) || answer_ != Answer::none || websocket_key_.empty()) {
        co_return fail(NetError::wrong_state, "no upgrade is possible");
    }
    // HTTP/2's client cannot look whether the other end has understood: RFC 8441 §5.
    if (head.headers.find("Sec-WebSocket-Accept") != websocket::accept_value(websocket_key_)) {
        co_return fail(CommonError::invalid_input, "a wrong Sec-WebSocket-Accept");
    }
    head.status = 200;
    head.headers.remove("Sec-WebSocket-Accept");
    head.headers.remove("Content-Length");
    upgraded_ = true;
    if (auto begun = begin_answer(serial, head, std::nullopt); !begun) {
        upgraded_ = false;
        co_return std::unexpected(std::move(begun.error()));
    }
    answer_ = Answer::complete;
    co_return std::make_unique<Http2ByteStream>(stream_);
}

async::Task<Result<void>> Http2Exchange::accept_connect(std::uint64_t /*serial*/) {
    co_return fail(NetError::wrong_state, "no tunnel is opened over HTTP/2");
}

void Http2Exchange::abort() { stream_->reset(NGHTTP2_INTERNAL_ERROR); }

}  // namespace decloud::net::http::internal
