#pragma once

#include "http2_session.hpp"

#include <nghttp2/nghttp2.h>

namespace decloud::net::http::internal {

/// What nghttp2 calls; its user data is the session. None of them calls nghttp2 to receive or send,
/// or runs anybody's code: what has to be done after it is remembered.
struct Http2Callbacks {
    /// To be deleted by the caller.
    [[nodiscard]] static nghttp2_session_callbacks* make();
    /// Before nghttp2 gets the frame: what it would let pass on streams that are no more (RFC 9113
    /// §5.1).
    static void on_frame_header(Http2Session& session, const nghttp2_frame_hd& header);

    static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
    static int on_header(nghttp2_session*,
        const nghttp2_frame* frame,
        const std::uint8_t* name,
        std::size_t name_size,
        const std::uint8_t* value,
        std::size_t value_size,
        std::uint8_t flags,
        void* user);
    static int on_invalid_header(nghttp2_session*,
        const nghttp2_frame* frame,
        const std::uint8_t* name,
        std::size_t name_size,
        const std::uint8_t* value,
        std::size_t value_size,
        std::uint8_t flags,
        void* user);
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
    static int on_invalid_frame(
        nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
    static int on_data(nghttp2_session*,
        std::uint8_t flags,
        std::int32_t id,
        const std::uint8_t* data,
        std::size_t size,
        void* user);
    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user);

  private:
    [[nodiscard]] static std::shared_ptr<Http2Stream> find(Http2Session& session, std::int32_t id);
    /// GOAWAY with ENHANCE_YOUR_CALM.
    static void calm(Http2Session& session);
    static void count_control_frame(Http2Session& session, const nghttp2_frame& frame);
};

}  // namespace decloud::net::http::internal
