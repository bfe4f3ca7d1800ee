#pragma once

#include "../channel_binding.hpp"
#include "../internal/read_size.hpp"
#include "../stream.hpp"
#include "frame.hpp"

#include <memory>

namespace decloud::net::websocket {

/// A WebSocket whose binary messages are bytes: of a message one knows the end only by
/// `read_message`. Text is refused, and so are many frames without data in a row. A ping is
/// answered with the next write. Single threaded.
class ByteStream final : public Stream, public ChannelBinding {
  public:
    /// `stream` has been upgraded; `role` is ours.
    ByteStream(std::unique_ptr<Stream> stream, Role role);
    ~ByteStream() override;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;

    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    /// One message.
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes) override;
    /// Before anything of the next message was read: the whole of it. Errors: as `read`,
    /// limit_exceeded, malformed_message if it comes in parts.
    [[nodiscard]] async::Task<Result<Bytes>> read_message(std::size_t limit);
    void shutdown_write() override;
    void close() override;
    [[nodiscard]] Bytes exporter(std::string_view label) const override;

  private:
    /// Until a data frame's payload begins; false at the end of the WebSocket.
    [[nodiscard]] async::Task<Result<bool>> next_data();
    [[nodiscard]] async::Task<Result<bool>> fill();
    [[nodiscard]] BytesView unread() const;
    void take_ping(BytesView payload);

    std::unique_ptr<Stream> stream_;
    Role role_;
    net::internal::ReadSize room_{std::size_t{32} * 1024};
    Bytes input_;
    std::size_t input_begin_ = 0;
    /// Since the last byte of data.
    std::size_t idle_frames_ = 0;
    FrameHead head_;
    std::uint64_t payload_left_ = 0;
    std::size_t mask_at_ = 0;
    Bytes pongs_;
    Bytes out_;
};

}  // namespace decloud::net::websocket
