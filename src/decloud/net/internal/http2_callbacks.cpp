#include "http2_callbacks.hpp"

#include "http2_head.hpp"
#include "serialize.hpp"

#include <decloud/base/ascii.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

namespace decloud::net::http::internal {

namespace {

/// Smaller window updates, one after the other, would make us send byte by byte.
constexpr std::int32_t kSmallWindowUpdate = 1024;

/// Streams that ended are remembered so long.
constexpr std::size_t kRemembered = 64;

Http2Session& session_of(void* user) { return *static_cast<Http2Session*>(user); }

std::string_view text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

bool ends_stream(const nghttp2_frame& frame) {
    return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

bool is_first_head(const nghttp2_frame& frame) {
    return frame.headers.cat == NGHTTP2_HCAT_REQUEST || frame.headers.cat == NGHTTP2_HCAT_RESPONSE;
}

/// What no trailer may say (RFC 9110 §6.5.1).
bool is_no_trailer(std::string_view name) {
    return is_framing_header(name) || equals_ignoring_case(name, "Host") ||
           equals_ignoring_case(name, "TE") || equals_ignoring_case(name, "Upgrade");
}

}  // namespace

nghttp2_session_callbacks* Http2Callbacks::make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
}

std::shared_ptr<Http2Stream> Http2Callbacks::find(Http2Session& session, std::int32_t id) {
    const auto found = session.streams_.find(id);
    return found == session.streams_.end() ? nullptr : found->second;
}

void Http2Callbacks::calm(Http2Session& session) {
    nghttp2_session_terminate_session(session.session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Callbacks::on_frame_header(Http2Session& session, const nghttp2_frame_hd& header) {
    const std::int32_t id = header.stream_id;
    const std::uint8_t type = header.type;
    const bool empty_data =
        type == NGHTTP2_DATA && header.length == 0 && (header.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    // What nghttp2 ignores it does not report.
    if ((empty_data || type > NGHTTP2_CONTINUATION) &&
        !session.control_frames_.take(std::chrono::steady_clock::now())) {
        calm(session);
    }
    const bool head = type == NGHTTP2_HEADERS;
    if ((!head && type != NGHTTP2_DATA) || id % 2 == 0 || find(session, id)) {
        return;
    }
    if (id > session.last_begun_) {
        session.last_begun_ = head ? id : session.last_begun_;
        return;
    }
    const auto ended =
        std::ranges::find(session.ended_streams_, id, &std::pair<std::int32_t, bool>::first);
    if (ended == session.ended_streams_.end()) {
        if (head) {
            nghttp2_session_terminate_session(session.session_, NGHTTP2_PROTOCOL_ERROR);
        }
    } else if (ended->second) {
        nghttp2_session_terminate_session(session.session_, NGHTTP2_STREAM_CLOSED);
    }
}

int Http2Callbacks::on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& session = session_of(user);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && !session.refusing_) {
        if (auto stream = session.begin_stream(frame->hd.stream_id)) {
            session.streams_.emplace(frame->hd.stream_id, std::move(stream));
        } else {
            nghttp2_submit_rst_stream(
                session.session_, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
            if (!session.resets_.take(std::chrono::steady_clock::now())) {
                calm(session);
            }
        }
    }
    return 0;
}

int Http2Callbacks::on_header(nghttp2_session*,
    const nghttp2_frame* frame,
    const std::uint8_t* name,
    std::size_t name_size,
    const std::uint8_t* value,
    std::size_t value_size,
    std::uint8_t /*flags*/,
    void* user) {
    auto& session = session_of(user);
    const auto stream = find(session, frame->hd.stream_id);
    if (!stream) {
        return 0;
    }
    Http2Fields& fields = stream->fields();
    const bool trailer =
        frame->headers.cat == NGHTTP2_HCAT_HEADERS && !fields.status.starts_with('1');
    if (trailer) {
        const std::size_t most = session.limits().max_trailer_bytes;
        fields.bytes += name_size + value_size;
        if (is_no_trailer(text(name, name_size)) ||
            fields.bytes > most + session.limits().max_header_bytes) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        stream->on_trailer(text(name, name_size), text(value, value_size));
        return 0;
    }
    if (frame->headers.cat == NGHTTP2_HCAT_HEADERS && text(name, name_size) == ":status") {
        fields = {};
    }
    return add_field(fields, text(name, name_size), text(value, value_size), session.limits())
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

int Http2Callbacks::on_invalid_header(nghttp2_session*,
    const nghttp2_frame* /*frame*/,
    const std::uint8_t* /*name*/,
    std::size_t /*name_size*/,
    const std::uint8_t* /*value*/,
    std::size_t /*value_size*/,
    std::uint8_t /*flags*/,
    void* /*user*/) {
    // nghttp2 would leave it out and go on.
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void Http2Callbacks::count_control_frame(Http2Session& session, const nghttp2_frame& frame) {
    const bool counted = frame.hd.type == NGHTTP2_PING || frame.hd.type == NGHTTP2_SETTINGS ||
                         frame.hd.type == NGHTTP2_PRIORITY ||
                         (frame.hd.type == NGHTTP2_WINDOW_UPDATE &&
                             frame.window_update.window_size_increment < kSmallWindowUpdate);
    const auto now = std::chrono::steady_clock::now();
    if ((counted && !session.control_frames_.take(now)) ||
        (frame.hd.type == NGHTTP2_RST_STREAM && !session.resets_.take(now))) {
        calm(session);
    }
}

int Http2Callbacks::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& session = session_of(user);
    count_control_frame(session, *frame);
    if (frame->hd.type == NGHTTP2_SETTINGS) {
        // The connection's first frame has come in time.
        session.head_since_ = Http2Session::TimePoint::max();
    }
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        session.on_pong(frame->ping.opaque_data[0]);
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (const auto stream = find(session, frame->hd.stream_id)) {
            stream->on_reset();
        }
    }
    const bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    const auto stream = message ? find(session, frame->hd.stream_id) : nullptr;
    if (!stream) {
        return 0;
    }
    if (ends_stream(*frame)) {
        stream->on_input_end();
    }
    if (frame->hd.type == NGHTTP2_HEADERS &&
        (is_first_head(*frame) || !stream->fields().status.empty())) {
        if (!stream->fields().status.starts_with('1')) {
            session.arrived_.push_back(stream);
        }
    }
    return 0;
}

int Http2Callbacks::on_invalid_frame(
    nghttp2_session*, const nghttp2_frame* /*frame*/, int /*error*/, void* user) {
    // Each of them is answered with a reset, also when its stream has been reset before.
    auto& session = session_of(user);
    if (!session.resets_.take(std::chrono::steady_clock::now())) {
        calm(session);
    }
    return 0;
}

int Http2Callbacks::on_data(nghttp2_session*,
    std::uint8_t /*flags*/,
    std::int32_t id,
    const std::uint8_t* data,
    std::size_t size,
    void* user) {
    auto& session = session_of(user);
    if (const auto stream = find(session, id)) {
        stream->on_data({data, size});
    } else {
        nghttp2_session_consume(session.session_, id, size);
    }
    return 0;
}

int Http2Callbacks::on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    auto& session = session_of(user);
    if (const auto stream = find(session, id)) {
        stream->on_close(code);
        session.ended_streams_.emplace_back(id, stream->ended_by_peer());
        if (session.ended_streams_.size() > kRemembered) {
            session.ended_streams_.pop_front();
        }
        session.streams_.erase(id);
        if (session.streams_.empty()) {
            session.idle_since_ = std::chrono::steady_clock::now();
        }
        // What is refused is no mistake, or counted already.
        const bool ours =
            code != NGHTTP2_NO_ERROR && code != NGHTTP2_REFUSED_STREAM && !stream->was_reset();
        if (ours && !session.resets_.take(std::chrono::steady_clock::now())) {
            calm(session);
        }
    }
    return 0;
}

}  // namespace decloud::net::http::internal
