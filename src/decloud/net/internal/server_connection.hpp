#pragma once

#include "../http/server.hpp"
#include "exchange_port.hpp"
#include "server_socket.hpp"
#include "wait_point.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::net::http::internal {

class Http2Server;

using TimePoint = std::chrono::steady_clock::time_point;

/// One accepted connection: reads ahead by one plain operation that is always pending while there
/// is room (which is how a hang-up is seen), parses, calls the handler, and writes without waiting
/// where the operating system takes the bytes. Single threaded. Owned by its `serve` task, by
/// Exchanges and by an upgraded stream.
class ServerConnection final : public ExchangePort,
                               public std::enable_shared_from_this<ServerConnection> {
  public:
    ServerConnection(std::shared_ptr<ServerImpl> server, net::internal::Socket socket);
    ~ServerConnection() override;
    ServerConnection(const ServerConnection&) = delete;
    ServerConnection& operator=(const ServerConnection&) = delete;

    /// Serves requests until the connection ends.
    [[nodiscard]] async::Task<void> serve();

    /// What the server asks of it.
    void check_deadlines(TimePoint now);
    void start_draining();
    void cut_off();

    /// What an Exchange asks of it; `serial` names the request.
    [[nodiscard]] bool is_current(std::uint64_t serial) const override { return serial == serial_; }
    [[nodiscard]] const RequestHead& request() const override { return parser_.head(); }
    [[nodiscard]] const PeerAddress& peer() const override { return peer_; }
    [[nodiscard]] std::optional<std::uint64_t> body_length() const override {
        return parser_.body_length();
    }
    [[nodiscard]] const Headers& request_trailers() const override { return parser_.trailers(); }
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
    [[nodiscard]] bool through_connect() const override { return through_connect_; }
    void abort() override;
    [[nodiscard]] async::CancellationToken hang_up() override;

    /// What an upgraded stream asks of it.
    [[nodiscard]] async::Task<Result<std::size_t>> read_raw(std::span<std::uint8_t> buffer);
    [[nodiscard]] async::Task<Result<void>> write_raw(BytesView bytes);
    [[nodiscard]] Bytes exporter(std::string_view label) const { return socket_.exporter(label); }
    void shutdown_write();
    void close();

  private:
    friend class ServerImpl;

    enum class Answer { none, streaming, complete };
    /// What the read deadline bounds.
    enum class ReadWait { nothing, idle, head, body, linger };

    [[nodiscard]] BytesView buffered() const {
        return BytesView(input_).subspan(input_begin_, input_end_ - input_begin_);
    }
    void consume(std::size_t bytes);
    void arm_read();
    void on_read(bool failed, std::size_t bytes);
    [[nodiscard]] async::Task<Result<void>> wait_for_input(ReadWait reason);

    template <class Body>
    [[nodiscard]] async::Task<Result<void>> send_whole(
        std::uint64_t serial, ResponseHead head, Body body);
    /// True if HTTP/2 is to be spoken: by ALPN, or what has come begins with its preface.
    [[nodiscard]] async::Task<bool> begin();
    [[nodiscard]] async::Task<void> serve_http2();
    [[nodiscard]] async::Task<bool> read_head();
    [[nodiscard]] async::Task<void> run_handler();
    [[nodiscard]] async::Task<bool> end_exchange();
    [[nodiscard]] async::Task<bool> drain_body();
    [[nodiscard]] async::Task<void> refuse(int status, std::string reason);
    [[nodiscard]] async::Task<void> linger();
    Exchange make_exchange();
    void client_gone();

    [[nodiscard]] Result<void> begin_answer(
        std::uint64_t serial, const ResponseHead& head, std::optional<std::uint64_t> body_size);
    void decide_persistence();
    [[nodiscard]] Result<void> append_framing(
        const ResponseHead& head, std::optional<std::uint64_t> body_size);
    [[nodiscard]] async::Task<Result<void>> write_out(net::internal::WriteParts parts);
    void flush_later();
    void flush();

    std::shared_ptr<ServerImpl> server_;
    net::internal::ServerSocket socket_;
    PeerAddress peer_;
    RequestParser parser_;
    std::uint64_t serial_ = 0;
    std::size_t list_index_ = 0;

    Bytes input_;
    std::size_t input_begin_ = 0;
    std::size_t input_end_ = 0;
    bool reading_ = false;
    bool input_ended_ = false;
    bool read_timed_out_ = false;
    bool body_failed_ = false;
    bool body_ended_ = false;
    bool continue_owed_ = false;
    net::internal::WaitPoint input_wait_;

    /// Written before anything else; `out_sent_` of it has gone.
    std::string out_;
    std::size_t out_sent_ = 0;
    bool writing_ = false;
    bool flush_pending_ = false;
    bool output_failed_ = false;
    bool write_timed_out_ = false;

    Answer answer_ = Answer::none;
    bool chunked_answer_ = false;
    bool discard_answer_body_ = false;
    std::optional<std::uint64_t> answer_left_;
    bool close_after_ = false;
    bool handling_ = false;
    bool draining_ = false;
    bool upgraded_ = false;
    bool through_connect_ = false;
    bool closed_ = false;
    /// While it is decided which protocol is spoken.
    bool beginning_ = false;
    std::shared_ptr<Http2Server> http2_;
    std::optional<async::CancellationSource> hang_up_;

    ReadWait read_wait_ = ReadWait::nothing;
    TimePoint read_deadline_ = TimePoint::max();
    TimePoint write_deadline_ = TimePoint::max();
};

}  // namespace decloud::net::http::internal
