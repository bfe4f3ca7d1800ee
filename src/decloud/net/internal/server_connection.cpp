#include "server_connection.hpp"

#include "../error.hpp"
#include "http2_server.hpp"
#include "server_impl.hpp"

#include <decloud/base/log.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

namespace decloud::net::http::internal {

namespace {

constexpr std::size_t kFirstBuffer = 4 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::uint64_t kLingerBytes = 1024 * 1024;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

ServerConnection::ServerConnection(std::shared_ptr<ServerImpl> server, net::internal::Socket socket)
    : server_(std::move(server)),
      socket_(std::move(socket), server_->settings().tls),
      peer_(net::internal::peer_of(socket_.plain())),
      parser_(server_->settings().limits, server_->settings().connect),
      input_(std::min(kFirstBuffer, server_->settings().max_pipelined_bytes)),
      input_wait_(server_->executor()) {
    net::internal::prepare(socket_.plain());
    server_->add(*this);
}

ServerConnection::~ServerConnection() { server_->remove(*this); }

void ServerConnection::consume(std::size_t bytes) {
    input_begin_ += bytes;
    if (input_begin_ == input_end_ && !reading_) {
        input_begin_ = input_end_ = 0;
    }
}

void ServerConnection::arm_read() {
    if (reading_ || input_ended_ || closed_ || http2_) {
        return;
    }
    if (input_begin_ == input_end_) {
        input_begin_ = input_end_ = 0;
    }
    if (input_end_ == input_.size()) {
        const std::size_t size = input_end_ - input_begin_;
        const std::size_t most = server_->settings().max_pipelined_bytes;
        if (input_begin_ > 0) {
            std::memmove(input_.data(), input_.data() + input_begin_, size);
            input_begin_ = 0;
            input_end_ = size;
        }
        if (size * 2 > input_.size() && input_.size() < most) {
            input_.resize(std::min(input_.size() * 4, most));
        }
        if (input_end_ == input_.size()) {
            return;
        }
    }
    reading_ = true;
    socket_.async_read_some(
        boost::asio::buffer(input_.data() + input_end_, input_.size() - input_end_),
        [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
            self->on_read(static_cast<bool>(error), bytes);
        });
}

void ServerConnection::on_read(bool failed, std::size_t bytes) {
    reading_ = false;
    input_end_ += bytes;
    if (failed) {
        input_ended_ = true;
        if (handling_) {
            client_gone();
        }
    }
    input_wait_.wake();
    arm_read();
}

void ServerConnection::client_gone() {
    if (hang_up_) {
        hang_up_->cancel();
    }
}

async::Task<Result<void>> ServerConnection::wait_for_input(ReadWait reason) {
    const std::size_t before = input_end_ - input_begin_;
    if (read_wait_ != reason || reason == ReadWait::body) {
        const ServerSettings& settings = server_->settings();
        read_wait_ = reason;
        switch (reason) {
            case ReadWait::nothing:
                read_deadline_ = TimePoint::max();
                break;
            case ReadWait::idle:
                read_deadline_ = server_->now() + settings.idle_timeout;
                break;
            case ReadWait::head:
                read_deadline_ = server_->now() + settings.header_timeout;
                break;
            case ReadWait::body:
                read_deadline_ = server_->now() + settings.body_timeout;
                break;
            case ReadWait::linger:
                read_deadline_ = server_->now() + kLingerTime;
                break;
        }
    }
    arm_read();
    const auto self = shared_from_this();
    const std::uint64_t serial = serial_;
    while (input_end_ - input_begin_ == before && !input_ended_ && !read_timed_out_ && !closed_ &&
           serial == serial_) {
        if (input_wait_.occupied()) {
            co_return fail(NetError::wrong_state, "two reads at a time");
        }
        co_await input_wait_.wait();
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (state.cancelled() != boost::asio::cancellation_type::none) {
            co_return fail(CommonError::cancelled);
        }
    }
    if (serial != serial_) {
        co_return fail(NetError::wrong_state, "the handler has returned");
    }
    if (input_end_ - input_begin_ != before) {
        co_return Result<void>{};
    }
    if (read_timed_out_) {
        read_timed_out_ = false;
        co_return fail(CommonError::timeout);
    }
    co_return fail(NetError::connection_closed);
}

async::Task<void> ServerConnection::serve() {
    const auto self = shared_from_this();
    try {
        if (co_await begin()) {
            co_await serve_http2();
        }
        while (!closed_ && co_await read_head()) {
            co_await run_handler();
            if (upgraded_) {
                co_return;
            }
            if (!co_await end_exchange()) {
                break;
            }
        }
        // NOLINTNEXTLINE(bugprone-empty-catch): it is closed either way
    } catch (const boost::system::system_error&) {
        // Cancelled from outside.
    }
    close();
}

async::Task<bool> ServerConnection::begin() {
    beginning_ = true;
    if (socket_.is_secure()) {
        read_deadline_ = server_->now() + server_->settings().header_timeout;
        if (!co_await socket_.handshake()) {
            close();
            co_return false;
        }
        read_deadline_ = TimePoint::max();
        beginning_ = false;
        co_return socket_.speaks_http2();
    }
    while (!closed_) {
        const BytesView input = buffered();
        const std::size_t size = std::min(input.size(), kHttp2Preface.size());
        if (as_text(input.first(size)) != kHttp2Preface.substr(0, size)) {
            break;
        }
        if (size == kHttp2Preface.size()) {
            beginning_ = false;
            co_return true;
        }
        if (!co_await wait_for_input(size == 0 ? ReadWait::idle : ReadWait::head)) {
            break;
        }
    }
    beginning_ = false;
    co_return false;
}

// The read that brought the preface has ended, and `http2_` keeps another one from beginning.
async::Task<void> ServerConnection::serve_http2() {
    http2_ = std::make_shared<Http2Server>(server_->executor(),
        std::make_unique<net::internal::SocketStream>(std::move(socket_)), peer_,
        server_->settings(), server_->handler());
    read_deadline_ = TimePoint::min();
    const BytesView input = buffered();
    Bytes first(input.begin(), input.end());
    input_ = {};
    input_begin_ = input_end_ = 0;
    if (draining_) {
        http2_->drain();
    }
    co_await http2_->run(std::move(first));
    close();
}

async::Task<bool> ServerConnection::read_head() {
    for (;;) {
        const ParseStep step = parser_.next(buffered());
        consume(step.consumed);
        if (step.event == ParseEvent::head) {
            read_wait_ = ReadWait::nothing;
            read_deadline_ = TimePoint::max();
            co_return true;
        }
        if (step.event == ParseEvent::failed) {
            co_await refuse(parser_.error().status, std::string(parser_.error().reason));
            co_return false;
        }
        const bool idle = parser_.at_start();
        if (idle && draining_) {
            co_return false;
        }
        const auto ready = co_await wait_for_input(idle ? ReadWait::idle : ReadWait::head);
        if (!ready) {
            if (ready.error().code() == CommonError::timeout && !idle) {
                co_await refuse(408, "the head of the request did not arrive in time");
            }
            co_return false;
        }
    }
}

async::Task<void> ServerConnection::run_handler() {
    answer_ = Answer::none;
    body_ended_ = body_failed_ = false;
    continue_owed_ = parser_.expects_continue();
    close_after_ = !parser_.keep_alive();
    handling_ = true;
    try {
        co_await server_->handler()(make_exchange());
    } catch (const boost::system::system_error& error) {
        if (error.code() != boost::asio::error::operation_aborted) {
            log::error("net", "a request handler failed: {}", error.what());
        }
        close_after_ = true;
    } catch (const std::exception& error) {
        log::error("net", "a request handler failed: {}", error.what());
        close_after_ = true;
    }
    handling_ = false;
    hang_up_.reset();
    if (upgraded_) {
        co_return;
    }
    ++serial_;
    // A task of the handler that outlives it must not keep our place.
    input_wait_.wake();
}

async::Task<bool> ServerConnection::end_exchange() {
    if (answer_ == Answer::streaming) {
        abort();
    }
    if (closed_ || output_failed_) {
        co_return false;
    }
    if (answer_ == Answer::none) {
        co_await refuse(500, "the request could not be handled");
        co_return false;
    }
    if (close_after_ || body_failed_ || !co_await drain_body()) {
        co_await linger();
        co_return false;
    }
    if (request().method == "CONNECT") {
        // A second one is refused.
        parser_ = RequestParser(server_->settings().limits);
    }
    parser_.reset();
    co_return !draining_ || !buffered().empty();
}

async::Task<bool> ServerConnection::drain_body() {
    if (parser_.fixed_body_left() > server_->settings().max_drained_bytes) {
        co_return false;
    }
    std::uint64_t drained = 0;
    while (!body_ended_) {
        if (continue_owed_ && buffered().empty()) {
            co_return false;
        }
        const ParseStep step = parser_.next(buffered());
        consume(step.consumed);
        drained += step.body.size();
        if (step.event == ParseEvent::end) {
            break;
        }
        if (step.event == ParseEvent::failed || drained > server_->settings().max_drained_bytes) {
            co_return false;
        }
        if (step.event == ParseEvent::need_more && !co_await wait_for_input(ReadWait::body)) {
            co_return false;
        }
    }
    co_return true;
}

async::Task<void> ServerConnection::refuse(int status, std::string reason) {
    answer_ = Answer::none;
    handling_ = true;
    close_after_ = true;
    ResponseHead head{status, {}, {{"Content-Type", "text/plain; charset=utf-8"}}};
    if (status == 405) {
        head.headers.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    const std::uint64_t serial = serial_;
    const auto sent = co_await send(serial, std::move(head), reason + "\n");
    handling_ = false;
    if (sent) {
        co_await linger();
    }
}

// Closing with unread input makes TCP drop what the client has not read of our answer.
async::Task<void> ServerConnection::linger() {
    if (input_ended_ || closed_) {
        co_return;
    }
    shutdown_write();
    std::uint64_t discarded = 0;
    do {
        discarded += buffered().size();
        consume(buffered().size());
    } while (discarded < kLingerBytes && !draining_ && co_await wait_for_input(ReadWait::linger));
}

Exchange ServerConnection::make_exchange() { return {shared_from_this(), serial_}; }

void ServerConnection::check_deadlines(TimePoint now) {
    if (http2_) {
        http2_->tick(now);
        return;
    }
    if (beginning_ && now >= read_deadline_ && !input_wait_.occupied()) {
        close();
        return;
    }
    if (now >= write_deadline_) {
        write_deadline_ = TimePoint::max();
        write_timed_out_ = true;
        abort();
    }
    if (now >= read_deadline_) {
        read_deadline_ = TimePoint::max();
        read_wait_ = ReadWait::nothing;
        read_timed_out_ = input_wait_.occupied();
        input_wait_.wake();
    }
}

void ServerConnection::start_draining() {
    draining_ = true;
    if (http2_) {
        http2_->drain();
        return;
    }
    const bool idle = !handling_ && parser_.at_start() && buffered().empty();
    if (idle || read_wait_ == ReadWait::linger) {
        close();
    }
}

void ServerConnection::cut_off() {
    if (handling_ || upgraded_) {
        net::internal::reset_on_close(socket_.plain());
    }
    close();
}

void ServerConnection::abort() {
    close_after_ = true;
    net::internal::reset_on_close(socket_.plain());
    close();
}

void ServerConnection::shutdown_write() { socket_.shutdown_write(); }

void ServerConnection::close() {
    if (closed_) {
        return;
    }
    const auto self = shared_from_this();
    closed_ = true;
    socket_.close();
    if (http2_) {
        http2_->close();
    }
    input_ended_ = true;
    if (handling_) {
        client_gone();
    }
    input_wait_.wake();
}

async::CancellationToken ServerConnection::hang_up() {
    if (!hang_up_) {
        hang_up_.emplace();
        if (input_ended_) {
            hang_up_->cancel();
        }
    }
    return hang_up_->token();
}

}  // namespace decloud::net::http::internal
