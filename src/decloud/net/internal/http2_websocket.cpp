#include "http2_websocket.hpp"

#include "../error.hpp"

#include <nghttp2/nghttp2.h>

#include <utility>

namespace decloud::net::http::internal {

Http2ByteStream::Http2ByteStream(std::shared_ptr<Http2Stream> stream) : stream_(std::move(stream)) {
    stream_->wait_for_ever();
}

Http2ByteStream::~Http2ByteStream() { close(); }

async::Task<Result<std::size_t>> Http2ByteStream::read(std::span<std::uint8_t> buffer) {
    return stream_->read(buffer);
}

async::Task<Result<void>> Http2ByteStream::write(BytesView bytes) {
    if (bytes.empty()) {
        co_return Result<void>{};
    }
    if (stream_->output_ended()) {
        co_return fail(NetError::connection_closed);
    }
    co_return co_await stream_->write(bytes, false);
}

void Http2ByteStream::shutdown_write() {
    if (!stream_->output_ended()) {
        stream_->finish({});
    }
}

void Http2ByteStream::close() {
    if (!stream_->output_ended() || !stream_->input_ended()) {
        stream_->reset(NGHTTP2_CANCEL);
    }
}

}  // namespace decloud::net::http::internal
