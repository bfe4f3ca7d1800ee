#pragma once

#include "../stream.hpp"
#include "http2_stream.hpp"

#include <memory>

namespace decloud::net::http::internal {

/// The bytes of a stream that extended CONNECT (RFC 8441) has begun, of either side. Nobody has to
/// say something within a time.
class Http2ByteStream final : public Stream {
  public:
    explicit Http2ByteStream(std::shared_ptr<Http2Stream> stream);
    ~Http2ByteStream() override;
    Http2ByteStream(const Http2ByteStream&) = delete;
    Http2ByteStream& operator=(const Http2ByteStream&) = delete;

    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes) override;
    void shutdown_write() override;
    /// What was written before `shutdown_write` still arrives if the peer has ended its direction.
    void close() override;

  private:
    std::shared_ptr<Http2Stream> stream_;
};

}  // namespace decloud::net::http::internal
