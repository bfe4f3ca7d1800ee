#include "http2_stream.hpp"

#include "../error.hpp"
#include "http2_head.hpp"
#include "http2_session.hpp"

#include <boost/asio/this_coro.hpp>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace decloud::net::http::internal {

namespace {

/// Takes the caller's bytes back when it no longer waits.
class Lent {
  public:
    explicit Lent(BytesView& view) : view_(view) {}
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    ~Lent() { view_ = {}; }

  private:
    BytesView& view_;
};

constexpr auto kNotCancelled = boost::asio::cancellation_type::none;

}  // namespace

Http2Stream::Http2Stream(std::shared_ptr<Http2Session> session, std::int32_t id)
    : session_(std::move(session)),
      id_(id),
      window_(session_->settings().stream_window_bytes, session_->max_stream_window()),
      readable_(session_->executor()),
      writable_(session_->executor()) {}

async::Task<Result<std::size_t>> Http2Stream::read(std::span<std::uint8_t> buffer) {
    const auto self = shared_from_this();
    if (buffer.empty() || readable_.occupied()) {
        co_return fail(NetError::wrong_state, "two reads at a time, or into nothing");
    }
    while (input_begin_ == input_.size()) {
        if (discard_left_) {
            co_return fail(NetError::wrong_state, "the handler has returned");
        }
        if (broken_ || (closed_ && !input_ended_)) {
            co_return fail(NetError::connection_closed);
        }
        if (input_ended_) {
            co_return std::size_t{0};
        }
        read_deadline_ = waits_for_ever_
                             ? TimePoint::max()
                             : std::chrono::steady_clock::now() + session_->times().body;
        co_await readable_.wait();
        read_deadline_ = TimePoint::max();
        if (std::exchange(timed_out_, false)) {
            co_return fail(CommonError::timeout);
        }
        if ((co_await boost::asio::this_coro::cancellation_state).cancelled() != kNotCancelled) {
            co_return fail(CommonError::cancelled);
        }
    }
    const std::size_t size = std::min(buffer.size(), input_.size() - input_begin_);
    std::memcpy(buffer.data(), input_.data() + input_begin_, size);
    input_begin_ += size;
    if (input_begin_ == input_.size()) {
        input_.clear();
        input_begin_ = 0;
    }
    if (!closed_) {
        nghttp2_session_consume(session_->native(), id_, size);
        session_->grow(id_, window_, size);
        session_->flush_later();
    }
    co_return size;
}

async::Task<Result<void>> Http2Stream::write(BytesView bytes, bool last) {
    const auto self = shared_from_this();
    if (!pending_.empty() || writable_.occupied()) {
        co_return fail(NetError::wrong_state, "two writes at a time");
    }
    if (closed_) {
        co_return fail(NetError::connection_closed);
    }
    const Lent lent(pending_);
    pending_ = bytes;
    output_ends_ = last;
    if (std::exchange(deferred_, false)) {
        nghttp2_session_resume_data(session_->native(), id_);
    }
    session_->flush_later();
    write_deadline_ = std::chrono::steady_clock::now() + session_->times().write;
    while (!pending_.empty()) {
        if (closed_) {
            co_return fail(NetError::connection_closed);
        }
        co_await writable_.wait();
        if (std::exchange(timed_out_, false)) {
            co_return fail(CommonError::timeout, "the peer does not read");
        }
        if (!pending_.empty() &&
            (co_await boost::asio::this_coro::cancellation_state).cancelled() != kNotCancelled) {
            reset(NGHTTP2_CANCEL);
            co_return fail(CommonError::cancelled);
        }
    }
    write_deadline_ = TimePoint::max();
    co_return Result<void>{};
}

void Http2Stream::finish(const Headers& trailers) {
    out_trailers_ = trailers;
    output_ends_ = true;
    // Without a window not even an empty frame is sent.
    write_deadline_ = std::chrono::steady_clock::now() + session_->times().write;
    if (!closed_) {
        if (std::exchange(deferred_, false)) {
            nghttp2_session_resume_data(session_->native(), id_);
        }
        session_->flush_later();
    }
}

async::Task<Result<void>> Http2Stream::wait_for_head(std::chrono::milliseconds limit) {
    const auto self = shared_from_this();
    head_limit_ = limit;
    read_deadline_ = std::chrono::steady_clock::now() + limit;
    while (!head_arrived_) {
        if (closed_) {
            co_return fail(NetError::connection_closed);
        }
        co_await readable_.wait();
        if (std::exchange(timed_out_, false)) {
            co_return fail(CommonError::timeout);
        }
        if ((co_await boost::asio::this_coro::cancellation_state).cancelled() != kNotCancelled) {
            co_return fail(CommonError::cancelled);
        }
    }
    read_deadline_ = TimePoint::max();
    co_return Result<void>{};
}

void Http2Stream::fail_with(Error why) {
    failure_ = std::move(why);
    reset(NGHTTP2_CANCEL);
}

void Http2Stream::reset(std::uint32_t code) {
    if (!closed_) {
        reset_wished_ = true;
        nghttp2_submit_rst_stream(session_->native(), NGHTTP2_FLAG_NONE, id_, code);
        session_->flush_later();
    }
}

void Http2Stream::discard_input(std::uint64_t limit) {
    discard_left_ = limit;
    // Who still reads, a task of the handler that outlives it, is told.
    session_->touch(*this);
    const std::size_t unread = input_.size() - input_begin_;
    input_ = {};
    input_begin_ = 0;
    if (closed_ || input_ended_) {
        return;
    }
    if (!bounded_input(unread)) {
        return;
    }
    nghttp2_session_consume(session_->native(), id_, unread);
    read_deadline_ = std::chrono::steady_clock::now() + session_->times().body;
    session_->flush_later();
}

bool Http2Stream::bounded_input(std::size_t more) {
    if (more > discard_left_.value_or(0)) {
        // RFC 9113 §8.1: the answer stands without the rest of the request.
        reset(NGHTTP2_NO_ERROR);
        return false;
    }
    discard_left_ = discard_left_.value_or(0) - more;
    return true;
}

async::CancellationToken Http2Stream::hang_up() {
    if (!hang_up_) {
        hang_up_.emplace();
        if (closed_) {
            hang_up_->cancel();
        }
    }
    return hang_up_->token();
}

void Http2Stream::on_data(BytesView data) {
    if (discard_left_) {
        if (bounded_input(data.size())) {
            nghttp2_session_consume(session_->native(), id_, data.size());
        } else {
            nghttp2_session_consume_connection(session_->native(), data.size());
        }
        return;
    }
    // Each byte is moved once, however much waits.
    if (input_begin_ > input_.size() / 2) {
        input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_begin_));
        input_begin_ = 0;
    }
    append(input_, data);
    session_->touch(*this);
}

void Http2Stream::on_input_end() {
    input_ended_ = true;
    if (discard_left_) {
        read_deadline_ = TimePoint::max();
    }
    session_->touch(*this);
}

void Http2Stream::on_head() { head_arrived_ = true; }

void Http2Stream::on_close(std::uint32_t code) {
    closed_ = true;
    broken_ = code != NGHTTP2_NO_ERROR;
    if (code == NGHTTP2_REFUSED_STREAM && !reset_wished_ && !failure_) {
        // RFC 9113 §8.7: nothing was done.
        failure_ = Error(NetError::connect_failed, "the other end takes no more requests");
    }
    session_->shrink(window_);
    const std::size_t unread = input_.size() - input_begin_;
    if (unread > 0 && session_->native() != nullptr) {
        nghttp2_session_consume_connection(session_->native(), unread);
    }
    session_->touch(*this);
}

void Http2Stream::on_trailer(std::string_view name, std::string_view value) {
    trailers_.add(name, value);
}

std::ptrdiff_t Http2Stream::take_output(std::span<std::uint8_t> frame, std::uint32_t& flags) {
    const std::size_t size = std::min(frame.size(), pending_.size());
    if (size > 0) {
        std::memcpy(frame.data(), pending_.data(), size);
        pending_ = pending_.subspan(size);
        const auto now = std::chrono::steady_clock::now();
        write_deadline_ = now + session_->times().write;
        if (head_limit_.count() > 0 && !head_arrived_) {
            read_deadline_ = now + head_limit_;
        }
    }
    if (!pending_.empty()) {
        return static_cast<std::ptrdiff_t>(size);
    }
    session_->touch(*this);
    if (output_ends_) {
        write_deadline_ = TimePoint::max();
        flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!out_trailers_.empty()) {
            flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            const Http2FieldList list(out_trailers_);
            nghttp2_submit_trailer(session_->native(), id_, list.data(), list.size());
        }
    } else if (size == 0) {
        deferred_ = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<std::ptrdiff_t>(size);
}

void Http2Stream::wake() {
    const auto self = shared_from_this();
    if (closed_ && hang_up_) {
        hang_up_->cancel();
    }
    if (closed_ || pending_.empty()) {
        writable_.wake();
    }
    readable_.wake();
}

void Http2Stream::check_deadlines(TimePoint now) {
    const auto self = shared_from_this();
    if (closed_) {
        return;
    }
    if (now >= read_deadline_) {
        read_deadline_ = TimePoint::max();
        if (discard_left_) {
            reset(NGHTTP2_NO_ERROR);
        }
        timed_out_ = readable_.occupied();
        readable_.wake();
    }
    if (now >= write_deadline_) {
        write_deadline_ = TimePoint::max();
        reset(NGHTTP2_CANCEL);
        timed_out_ = timed_out_ || writable_.occupied();
        writable_.wake();
    }
}

}  // namespace decloud::net::http::internal
