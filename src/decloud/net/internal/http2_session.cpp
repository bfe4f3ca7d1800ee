#include "http2_session.hpp"

#include "http2_callbacks.hpp"
#include "read_size.hpp"

#include <decloud/base/log.hpp>

#include <boost/asio/post.hpp>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::net::http::internal {

namespace {

constexpr std::size_t kReadBytes = std::size_t{16} * 1024;
/// What is written at a time.
constexpr std::size_t kWriteBytes = std::size_t{64} * 1024;
constexpr std::size_t kFrameHeader = 9;
constexpr std::size_t kPreface = 24;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::uint64_t kLingerBytes = std::uint64_t{1024} * 1024;
/// Frames that wait for a peer that does not read, besides those of its streams' answers.
constexpr std::size_t kMostWaiting = 4096;
/// What a PING of ours is for.
constexpr std::uint8_t kPingOfDrain = 1;
constexpr std::uint8_t kPingOfMeasurement = 2;
/// How long a peer may take to hear that we drain.
constexpr std::chrono::seconds kDrainNotice{1};
constexpr std::chrono::seconds kBetweenMeasurements{1};

}  // namespace

bool RateLimit::take(std::chrono::steady_clock::time_point now) {
    const double passed = std::chrono::duration<double>(now - last_).count();
    left_ = std::min(burst_, left_ + passed * per_second_);
    last_ = now;
    if (left_ < 1) {
        return false;
    }
    left_ -= 1;
    return true;
}

Http2Session::Http2Session(async::Executor executor,
    std::unique_ptr<Stream> transport,
    bool server,
    const Http2Settings& settings,
    const Limits& limits,
    const Http2Times& times)
    : executor_(executor),
      transport_(std::move(transport)),
      settings_(settings),
      limits_(limits),
      times_(times),
      control_frames_(settings.control_frame_burst, settings.control_frames_per_second),
      resets_(settings.reset_burst, settings.resets_per_second),
      tasks_(executor),
      has_output_(executor),
      idle_since_(std::chrono::steady_clock::now()),
      head_since_(idle_since_) {
    frame_left_ = server ? kPreface : 0;
    make_native(server);
    submit_settings(server);
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

void Http2Session::make_native(bool server) {
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    // Priorities are not used, and closed streams would only be kept for them.
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, settings_.max_pending_acknowledgements);
    nghttp2_option_set_max_settings(option, settings_.max_settings_entries);
    nghttp2_option_set_max_continuations(option, settings_.max_continuations);
    nghttp2_option_set_stream_reset_rate_limit(
        option, settings_.reset_burst, settings_.resets_per_second);
    nghttp2_option_set_peer_max_concurrent_streams(option, settings_.max_concurrent_streams);
    nghttp2_session_callbacks* callbacks = Http2Callbacks::make();
    if (server) {
        nghttp2_session_server_new2(&session_, callbacks, this, option);
    } else {
        nghttp2_session_client_new2(&session_, callbacks, this, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

void Http2Session::submit_settings(bool server) {
    std::vector<nghttp2_settings_entry> entries{
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
            static_cast<std::uint32_t>(settings_.stream_window_bytes)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
            static_cast<std::uint32_t>(limits_.max_header_bytes)},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server ? settings_.max_concurrent_streams : 0}};
    if (server) {
        entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
    } else {
        entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
    }
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
    nghttp2_session_set_local_window_size(
        session_, NGHTTP2_FLAG_NONE, 0, settings_.connection_window_bytes);
}

async::Task<void> Http2Session::run(Bytes first) {
    const auto self = shared_from_this();
    tasks_.spawn([](std::shared_ptr<Http2Session> session) -> async::Task<void> {
        co_await session->write_loop();
    }(self));
    co_await read_loop(std::move(first));
    end();
    co_await tasks_.join();
    co_await wind_up();
    // Streams hold their session.
    settle();
}

async::Task<void> Http2Session::read_loop(Bytes first) {
    if (!first.empty() && !receive(first)) {
        co_return;
    }
    first = {};
    net::internal::ReadSize room(kReadBytes);
    std::unique_ptr<std::uint8_t[]> buffer;
    for (std::size_t size = 0; !closed_;) {
        if (size != room.next()) {
            size = room.next();
            buffer = std::make_unique_for_overwrite<std::uint8_t[]>(size);
        }
        const auto got = co_await transport_->read({buffer.get(), size});
        if (!got || *got == 0) {
            co_return;
        }
        room.got(*got);
        if (lingering_) {
            lingered_bytes_ += *got;
            if (lingered_bytes_ > kLingerBytes) {
                co_return;
            }
        } else if (!receive({buffer.get(), *got})) {
            co_return;
        }
    }
}

bool Http2Session::receive(BytesView bytes) {
    if (closed_) {
        return false;
    }
    if (dead_after_.count() > 0) {
        heard_ = std::chrono::steady_clock::now();
    }
    busy_ = true;
    ssize_t taken = 0;
    while (taken >= 0 && !bytes.empty()) {
        const std::size_t size = one_frame(bytes);
        taken = nghttp2_session_mem_recv(session_, bytes.data(), size);
        bytes = bytes.subspan(size);
        if (frame_left_ == 0 && frame_header_.empty() && std::exchange(ends_head_, false)) {
            head_since_ = TimePoint::max();
        }
    }
    busy_ = false;
    // A stream that nghttp2 resets is closed once that is sent: before anybody sees its request.
    pull();
    settle();
    flush();
    if (taken < 0) {
        log::debug(
            "net", "an HTTP/2 connection ends: {}", nghttp2_strerror(static_cast<int>(taken)));
        return false;
    }
    const std::size_t answers = std::size_t{4} * settings_.max_concurrent_streams;
    return nghttp2_session_check_server_session(session_) == 0 ||
           nghttp2_session_get_outbound_queue_size(session_) <= kMostWaiting + answers;
}

std::size_t Http2Session::one_frame(BytesView bytes) {
    std::size_t size = 0;
    if (frame_left_ == 0) {
        size = std::min(kFrameHeader - frame_header_.size(), bytes.size());
        append(frame_header_, bytes.first(size));
        if (frame_header_.size() < kFrameHeader) {
            return size;
        }
        const auto& bits = frame_header_;
        nghttp2_frame_hd header{};
        header.length = std::size_t{bits[0]} << 16U | std::size_t{bits[1]} << 8U | bits[2];
        header.type = bits[3];
        header.flags = bits[4];
        header.stream_id = (bits[5] & 0x7f) << 24 | bits[6] << 16 | bits[7] << 8 | bits[8];
        frame_left_ = header.length;
        if (header.type == NGHTTP2_HEADERS) {
            head_since_ = std::chrono::steady_clock::now();
        }
        ends_head_ = (header.type == NGHTTP2_HEADERS || header.type == NGHTTP2_CONTINUATION) &&
                     (header.flags & NGHTTP2_FLAG_END_HEADERS) != 0;
        if (nghttp2_session_check_server_session(session_) != 0) {
            Http2Callbacks::on_frame_header(*this, header);
        }
        frame_header_.clear();
    }
    const std::size_t payload = std::min(frame_left_, bytes.size() - size);
    frame_left_ -= payload;
    return size + payload;
}

void Http2Session::touch(Http2Stream& stream) {
    touched_.push_back(stream.shared_from_this());
    if (!busy_) {
        flush_later();
    }
}

void Http2Session::settle() {
    while (!busy_ && (!arrived_.empty() || !touched_.empty())) {
        const auto arrived = std::exchange(arrived_, {});
        const auto touched = std::exchange(touched_, {});
        for (const auto& stream : arrived) {
            stream->on_head();
            head_arrived(stream);
        }
        for (const auto& stream : arrived) {
            stream->wake();
        }
        for (const auto& stream : touched) {
            stream->wake();
        }
    }
}

void Http2Session::flush_later() {
    if (!flush_posted_ && !closed_) {
        flush_posted_ = true;
        boost::asio::post(executor_, [self = shared_from_this()] {
            self->flush_posted_ = false;
            self->settle();
            self->flush();
        });
    }
}

void Http2Session::flush() { has_output_.wake(); }

bool Http2Session::pull() {
    const std::size_t before = out_.size();
    while (out_.size() < kWriteBytes && !closed_) {
        const std::uint8_t* data = nullptr;
        busy_ = true;
        const ssize_t size = nghttp2_session_mem_send(session_, &data);
        busy_ = false;
        if (size <= 0) {
            break;
        }
        append(out_, BytesView(data, static_cast<std::size_t>(size)));
    }
    return out_.size() > before;
}

void Http2Session::collect() {
    // Streams whose bytes were taken may have more.
    do {
        settle();
    } while (pull() && out_.size() < kWriteBytes);
}

async::Task<void> Http2Session::write_loop() {
    for (;;) {
        collect();
        if (out_.empty()) {
            if (closed_) {
                co_return;
            }
            if (nghttp2_session_want_read(session_) == 0 &&
                nghttp2_session_want_write(session_) == 0) {
                break;
            }
            co_await has_output_.wait();
            continue;
        }
        write_since_ = std::chrono::steady_clock::now();
        std::swap(out_, leaving_);
        const auto written = co_await transport_->write(leaving_);
        write_since_ = TimePoint::max();
        leaving_.clear();
        if (!written) {
            close();
            co_return;
        }
    }
    // Closing with unread input would make TCP drop what the peer has not read of our last words.
    lingering_ = true;
    linger_since_ = std::chrono::steady_clock::now();
    transport_->shutdown_write();
}

void Http2Session::end() {
    const auto self = shared_from_this();
    close();
    const auto streams = std::exchange(streams_, {});
    for (const auto& [id, stream] : streams) {
        stream->on_close(NGHTTP2_CANCEL);
    }
    settle();
}

void Http2Session::close() {
    if (!std::exchange(closed_, true)) {
        const auto self = shared_from_this();
        transport_->close();
        has_output_.wake();
    }
}

void Http2Session::drain() {
    if (std::exchange(draining_, true) || closed_) {
        return;
    }
    if (nghttp2_session_check_server_session(session_) == 0) {
        refuse_streams();
        return;
    }
    // RFC 9113 §6.8: the answer to the PING says that the peer has heard it.
    nghttp2_submit_shutdown_notice(session_);
    ping(kPingOfDrain);
    drain_since_ = std::chrono::steady_clock::now();
}

void Http2Session::refuse_streams() {
    drain_since_ = TimePoint::max();
    if (std::exchange(refusing_, true) || closed_) {
        return;
    }
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR, nullptr, 0);
    flush_later();
    if (streams_.empty()) {
        nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    }
}

void Http2Session::ping(std::uint8_t kind) {
    const std::array<std::uint8_t, 8> data{kind};
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, data.data());
    flush_later();
}

void Http2Session::on_pong(std::uint8_t kind) {
    if (kind == kPingOfDrain && draining_) {
        refuse_streams();
    } else if (kind == kPingOfMeasurement && std::exchange(measuring_, false)) {
        const auto took = std::chrono::steady_clock::now() - measured_;
        // What waits in buffers only makes it longer: down at once, up slowly.
        const bool shorter = round_trip_.count() == 0 || took < round_trip_;
        round_trip_ = shorter ? took : round_trip_ + (took - round_trip_) / 8;
    }
}

void Http2Session::measure_round_trip(TimePoint now) {
    if (!measuring_ && now - measured_ >= kBetweenMeasurements) {
        measuring_ = true;
        measured_ = now;
        ping(kPingOfMeasurement);
    }
}

void Http2Session::grow_windows(std::int32_t most) {
    max_stream_window_ = most;
    // Streams that have grown and are not read any more leave the others the other half.
    growth_left_ = settings_.connection_window_bytes / 2;
}

void Http2Session::grow(std::int32_t id, WindowGrowth& window, std::size_t bytes) {
    if (max_stream_window_ == 0) {
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    measure_round_trip(now);
    const std::int32_t wished = window.read(bytes, now, round_trip_).value_or(0);
    const std::int32_t more = wished - window.window();
    if (more > 0 && more <= growth_left_ &&
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, id, wished) == 0) {
        growth_left_ -= more;
        window.grown_to(wished);
    }
}

void Http2Session::shrink(WindowGrowth& window) {
    growth_left_ += window.grown_by();
    window.grown_to(window.window() - window.grown_by());
}

void Http2Session::keep_alive(
    std::chrono::milliseconds ping_after, std::chrono::milliseconds dead_after) {
    ping_after_ = ping_after;
    dead_after_ = dead_after;
    heard_ = asked_ = std::chrono::steady_clock::now();
}

void Http2Session::tick(TimePoint now) {
    const auto self = shared_from_this();
    const auto passed = [now](TimePoint since, auto limit) {
        return since != TimePoint::max() && now - since >= limit;
    };
    if (closed_) {
        return;
    }
    if (passed(write_since_, times_.write) || passed(linger_since_, kLingerTime)) {
        close();
        return;
    }
    if (dead_after_.count() > 0) {
        if (passed(heard_, dead_after_)) {
            close();
            return;
        }
        if (passed(std::max(heard_, asked_), ping_after_)) {
            asked_ = now;
            nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
            flush_later();
        }
    }
    if (passed(drain_since_, kDrainNotice)) {
        refuse_streams();
    }
    if (!lingering_ && passed(head_since_, times_.header)) {
        nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
        head_since_ = TimePoint::max();
        flush_later();
    }
    if (!lingering_ && !drained_ && streams_.empty() &&
        (refusing_ || passed(idle_since_, times_.idle))) {
        drained_ = true;
        nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
        flush_later();
    }
    std::vector<std::shared_ptr<Http2Stream>> streams;
    streams.reserve(streams_.size());
    for (const auto& [id, stream] : streams_) {
        streams.push_back(stream);
    }
    for (const auto& stream : streams) {
        stream->check_deadlines(now);
    }
}

}  // namespace decloud::net::http::internal
