#include "responder.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/ascii.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::pipeline {

namespace {

constexpr std::chrono::seconds kLingerLimit{2};
/// For a program to end the frame that it is in.
constexpr std::chrono::seconds kFrameLimit{2};
constexpr int kSwitchingProtocols = 101;
/// RFC 6455 §7.4.1.
constexpr std::uint16_t kPolicyViolation = 1008;
/// RFC 6455 §5.5: what a control frame holds, less the code.
constexpr std::size_t kLongestReason = 123;

/// What goes on by its nature: server-sent events, a WebSocket.
bool is_stream(const net::http::ResponseHead& head) {
    if (head.status == kSwitchingProtocols) {
        return true;
    }
    const auto type = head.headers.find("Content-Type").value_or("");
    const std::string_view media = std::string_view(type).substr(0, type.find(';'));
    return equals_ignoring_case(
        media.substr(0, media.find_last_not_of(" \t") + 1), "text/event-stream");
}

async::Task<Result<void>> read_to_end(net::Stream* stream) {
    std::array<std::uint8_t, 4096> buffer{};
    for (;;) {
        const auto got = co_await stream->read(buffer);
        if (!got || *got == 0) {
            co_return Result<void>{};
        }
    }
}

}  // namespace

Result<void> ExchangeResponder::send(net::http::ResponseHead head, Bytes body) {
    if (has_answer_ || started_) {
        return fail(CommonError::conflict, "an answer was given already");
    }
    status_ = head.status;
    head_ = std::move(head);
    body_ = std::move(body);
    has_answer_ = true;
    return {};
}

async::Task<Result<void>> ExchangeResponder::start(net::http::ResponseHead head) {
    if (rules_.after_body) {
        co_return send(std::move(head), {});
    }
    CO_TRY_VOID(co_await ready_to_start(&head));
    co_return co_await exchange_.start(std::move(head));
}

async::Task<Result<void>> ExchangeResponder::ready_to_start(net::http::ResponseHead* head) {
    status_ = head->status;
    if (hold_ != nullptr) {
        if (auto served = co_await hold_->served(); !served) {
            refusal_ = served.error();
            co_return fail(served.error());
        }
        for (const auto& [name, value] : hold_->answer_headers()) {
            head->headers.set(name, value);
        }
    }
    for (const auto& [name, value] : rules_.headers) {
        head->headers.set(name, value);
    }
    started_ = true;
    head->headers.set("OpenCloud-Status", "ok");
    if (rules_.on_stream && is_stream(*head)) {
        rules_.on_stream(*head);
    }
    co_return Result<void>{};
}

async::Task<Result<void>> ExchangeResponder::upgrade(net::http::ResponseHead head) {
    if (has_answer_ || started_) {
        co_return fail(CommonError::conflict, "an answer was given already");
    }
    CO_TRY_VOID(co_await ready_to_start(&head));
    CO_TRY(connection_, co_await exchange_.upgrade(std::move(head)));
    co_return Result<void>{};
}

async::Task<Result<std::size_t>> ExchangeResponder::read(std::span<std::uint8_t> buffer) {
    if (!connection_) {
        co_return fail(CommonError::conflict, "nothing was upgraded");
    }
    co_return co_await connection_->read(buffer);
}

async::Task<void> ExchangeResponder::stop() {
    stopping_ = true;
    if (connection_ && !frames_.between_frames()) {
        frame_ended_.emplace(co_await boost::asio::this_coro::executor);
        (void)co_await frame_ended_->wait(kFrameLimit);
    }
}

async::Task<void> ExchangeResponder::say_close(std::string reason) {
    reason.resize(std::min(reason.size(), kLongestReason));
    Bytes frame = net::websocket::encode_frame_head(
        net::websocket::Opcode::close, 2 + reason.size(), std::nullopt);
    frame.push_back(kPolicyViolation >> 8U);
    frame.push_back(kPolicyViolation & 0xffU);
    append(frame, as_bytes(reason));
    (void)co_await async::with_timeout(kLingerLimit, connection_->write(frame));
}

async::Task<void> ExchangeResponder::end_upgraded(std::optional<std::string> reason) {
    if (!connection_) {
        co_return;
    }
    if (reason && frames_.between_frames() && !frames_.closing()) {
        co_await say_close(std::move(*reason));
    }
    connection_->shutdown_write();
    (void)co_await async::with_timeout(kLingerLimit, read_to_end(connection_.get()));
    connection_->close();
}

async::Task<Result<void>> ExchangeResponder::write_started(BytesView bytes) {
    if (connection_ && stopping_) {
        bytes = bytes.first(frames_.pass_rest(bytes));
        if (frame_ended_ && frames_.between_frames()) {
            frame_ended_->set();
        }
    } else if (connection_) {
        frames_.pass(bytes);
    }
    if (stopping_ && (!connection_ || bytes.empty())) {
        co_return fail(CommonError::cancelled, "the stream has been stopped");
    }
    hash_.update(bytes);
    body_bytes_ += bytes.size();
    if (connection_) {
        co_return co_await connection_->write(bytes);
    }
    co_return co_await exchange_.write(bytes);
}

async::Task<Result<void>> ExchangeResponder::write(BytesView bytes) {
    if (started_) {
        co_return co_await write_started(bytes);
    }
    if (body_.size() + bytes.size() > rules_.max_waiting_bytes) {
        co_return fail(CommonError::limit_exceeded,
            "an answer that is too large to wait for the end of the request");
    }
    append(body_, bytes);
    co_return Result<void>{};
}

}  // namespace decloud::pipeline
