#pragma once

#include "../http/server.hpp"
#include "exchange_port.hpp"
#include "http2_session.hpp"

#include <memory>
#include <string>

namespace decloud::net::http::internal {

class Http2Exchange;

/// The server's side of an HTTP/2 connection: a handler's task for each stream.
class Http2Server final : public Http2Session {
  public:
    Http2Server(async::Executor executor,
        std::unique_ptr<Stream> transport,
        PeerAddress peer,
        const ServerSettings& settings,
        Handler handler);

    [[nodiscard]] const PeerAddress& peer() const { return peer_; }
    [[nodiscard]] const Handler& handler() const { return handler_; }
    [[nodiscard]] std::uint64_t max_drained_bytes() const { return max_drained_bytes_; }

  protected:
    [[nodiscard]] std::shared_ptr<Http2Stream> begin_stream(std::int32_t id) override;
    void head_arrived(const std::shared_ptr<Http2Stream>& stream) override;
    [[nodiscard]] async::Task<void> wind_up() override;

  private:
    PeerAddress peer_;
    Handler handler_;
    std::uint64_t max_drained_bytes_;
    async::TaskGroup handlers_;
};

/// One request on a stream. `serial` is 0 while its handler runs.
class Http2Exchange final : public ExchangePort,
                            public std::enable_shared_from_this<Http2Exchange> {
  public:
    Http2Exchange(std::shared_ptr<Http2Server> server, std::shared_ptr<Http2Stream> stream);

    /// Calls the handler, and ends what it left open.
    [[nodiscard]] async::Task<void> serve();

    [[nodiscard]] bool is_current(std::uint64_t serial) const override {
        return serial == 0 && !done_;
    }
    [[nodiscard]] const RequestHead& request() const override { return head_; }
    [[nodiscard]] const PeerAddress& peer() const override { return server_->peer(); }
    [[nodiscard]] std::optional<std::uint64_t> body_length() const override { return length_; }
    [[nodiscard]] const Headers& request_trailers() const override { return stream_->trailers(); }
    [[nodiscard]] bool continue_owed() const override { return continue_owed_; }
    [[nodiscard]] bool answered() const override { return answer_ != Answer::none; }
    [[nodiscard]] async::Task<Result<std::size_t>> read_body(
        std::uint64_t serial, std::span<std::uint8_t> buffer) override;
    [[nodiscard]] async::Task<Result<Bytes>> read_all(
        std::uint64_t serial, std::uint64_t limit) override;
    [[nodiscard]] async::Task<Result<void>> send(
        std::uint64_t serial, ResponseHead head, Bytes body) override;
    [[nodiscard]] async::Task<Result<void>> send(
        std::uint64_t serial, ResponseHead head, std::string body) override;
    [[nodiscard]] async::Task<Result<void>> start(std::uint64_t serial, ResponseHead head) override;
    [[nodiscard]] async::Task<Result<void>> write_body(
        std::uint64_t serial, BytesView bytes) override;
    [[nodiscard]] async::Task<Result<void>> finish(std::uint64_t serial, Headers trailers) override;
    [[nodiscard]] async::Task<Result<std::unique_ptr<Stream>>> upgrade(
        std::uint64_t serial, ResponseHead head) override;
    [[nodiscard]] async::Task<Result<void>> accept_connect(std::uint64_t serial) override;
    [[nodiscard]] bool through_connect() const override { return false; }
    void abort() override;
    [[nodiscard]] async::CancellationToken hang_up() override { return stream_->hang_up(); }

  private:
    enum class Answer { none, streaming, complete };

    [[nodiscard]] async::Task<void> run_handler();
    [[nodiscard]] async::Task<void> refuse(int status, std::string reason);
    [[nodiscard]] Result<void> begin_answer(
        std::uint64_t serial, const ResponseHead& head, std::optional<std::uint64_t> body_size);
    [[nodiscard]] Result<void> decide_length(
        const ResponseHead& head, std::optional<std::uint64_t> body_size);
    [[nodiscard]] async::Task<Result<void>> send_bytes(
        std::uint64_t serial, const ResponseHead& head, BytesView body);

    std::shared_ptr<Http2Server> server_;
    std::shared_ptr<Http2Stream> stream_;
    RequestHead head_;
    std::optional<std::uint64_t> length_;
    bool continue_owed_ = false;
    /// Of who asks for a WebSocket; else empty.
    std::string websocket_key_;
    bool upgraded_ = false;
    bool done_ = false;
    Answer answer_ = Answer::none;
    bool discard_answer_body_ = false;
    std::optional<std::uint64_t> answer_left_;
};

}  // namespace decloud::net::http::internal
