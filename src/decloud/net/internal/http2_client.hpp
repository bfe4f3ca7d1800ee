#pragma once

#include "../http/client.hpp"
#include "http2_session.hpp"
#include "response_port.hpp"

#include <memory>

namespace decloud::net::http::internal {

/// The client's side of an HTTP/2 connection.
class Http2Client final : public Http2Session {
  public:
    Http2Client(async::Executor executor,
        std::unique_ptr<Stream> transport,
        const ClientSettings& settings,
        const Http2Settings& http2,
        std::string_view scheme);

    /// Sends it and waits for the final head of the answer.
    [[nodiscard]] async::Task<Result<ClientResponse>> request(
        std::shared_ptr<ClientRequest> request);
    /// False after the peer's GOAWAY.
    [[nodiscard]] bool takes_requests() const;

  protected:
    [[nodiscard]] std::shared_ptr<Http2Stream> begin_stream(std::int32_t id) override;
    void head_arrived(const std::shared_ptr<Http2Stream>& stream) override;
    [[nodiscard]] async::Task<void> wind_up() override;

  private:
    [[nodiscard]] Result<void> submit(Http2Stream& stream, const ClientRequest& request);
    [[nodiscard]] async::Task<void> send_body(
        std::shared_ptr<Http2Stream> stream, std::shared_ptr<ClientRequest> request);

    std::chrono::milliseconds head_timeout_;
    std::string scheme_;
    async::TaskGroup bodies_;
};

/// The answer on a stream.
class Http2Response final : public ResponsePort {
  public:
    /// `stream` has its head.
    Http2Response(std::shared_ptr<Http2Stream> stream,
        ResponseHead head,
        std::optional<std::uint64_t> length);
    ~Http2Response() override;

    [[nodiscard]] const ResponseHead& head() const override { return head_; }
    [[nodiscard]] std::optional<std::uint64_t> content_length() const override { return length_; }
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    [[nodiscard]] async::Task<Result<Bytes>> read_all(std::uint64_t limit) override;
    [[nodiscard]] const Headers& trailers() const override { return stream_->trailers(); }
    void abort() override;
    [[nodiscard]] Result<std::unique_ptr<Stream>> upgrade() override;

  private:
    std::shared_ptr<Http2Stream> stream_;
    ResponseHead head_;
    std::optional<std::uint64_t> length_;
    bool upgraded_ = false;
};

}  // namespace decloud::net::http::internal
