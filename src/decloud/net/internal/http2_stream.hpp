#pragma once

#include "../http/message.hpp"
#include "wait_point.hpp"
#include "window_growth.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace decloud::net::http::internal {

class Http2Session;

/// The fields of one header block as they came; pseudo-fields without their colon.
struct Http2Fields {
    std::string method{};
    std::string scheme{};
    std::string authority{};
    std::string path{};
    std::string protocol{};
    std::string status{};
    Headers headers{};
    /// As RFC 9113 §6.5.2 counts, also of what is not kept.
    std::size_t bytes = 0;
    bool has_path = false;
    bool has_authority = false;
    bool too_large = false;
};

/// One stream of an HTTP/2 connection, of either side: two bodies with flow control. Single
/// threaded. Shared by its session and by who uses it.
class Http2Stream : public std::enable_shared_from_this<Http2Stream> {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    Http2Stream(std::shared_ptr<Http2Session> session, std::int32_t id);

    [[nodiscard]] std::int32_t id() const { return id_; }
    /// For a stream that we begin: nghttp2 gives the number when it is submitted.
    void set_id(std::int32_t id) { id_ = id; }
    /// Resets the stream; why is what its user is told.
    void fail_with(Error why);
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
    [[nodiscard]] bool has_input() const { return input_begin_ < input_.size(); }
    [[nodiscard]] Http2Fields& fields() { return fields_; }
    [[nodiscard]] const Headers& trailers() const { return trailers_; }
    /// The peer has said all, or there is no stream any more.
    [[nodiscard]] bool input_ended() const { return input_ended_; }
    [[nodiscard]] bool closed() const { return closed_; }
    /// The peer has ended it, wholly or its direction.
    [[nodiscard]] bool ended_by_peer() const { return input_ended_ || peer_has_reset_; }
    void on_reset() { peer_has_reset_ = true; }
    /// By the peer, or wished on this side; not by what nghttp2 thinks of the peer's frames.
    [[nodiscard]] bool was_reset() const { return peer_has_reset_ || reset_wished_; }

    /// Bytes of the body; 0 is its end. Errors: timeout, connection_closed, cancelled,
    /// wrong_state.
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer);
    /// Ends when all has been taken into frames. Errors as `read`.
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes, bool last);
    /// Ends the body; with trailers if there are any.
    void finish(const Headers& trailers);
    /// Waits for the fields of an answer (of the client's side), for `limit` since the last byte of
    /// the request was sent.
    [[nodiscard]] async::Task<Result<void>> wait_for_head(std::chrono::milliseconds limit);
    /// RST_STREAM.
    void reset(std::uint32_t code);
    /// Nobody reads what still comes: up to `limit` it is thrown away, then the stream is reset.
    void discard_input(std::uint64_t limit);
    [[nodiscard]] async::CancellationToken hang_up();

    /// From now on a read waits as long as the stream lives.
    void wait_for_ever() { waits_for_ever_ = true; }
    /// Our direction has an end.
    [[nodiscard]] bool output_ended() const { return output_ends_; }

    /// What the session tells.
    void on_data(BytesView data);
    void on_input_end();
    void on_head();
    void on_close(std::uint32_t code);
    void on_trailer(std::string_view name, std::string_view value);
    [[nodiscard]] std::ptrdiff_t take_output(std::span<std::uint8_t> frame, std::uint32_t& flags);
    void wake();
    void check_deadlines(TimePoint now);

  private:
    [[nodiscard]] bool bounded_input(std::size_t more);

    std::shared_ptr<Http2Session> session_;
    std::int32_t id_;
    Http2Fields fields_;
    Headers trailers_;

    Bytes input_;
    std::size_t input_begin_ = 0;
    WindowGrowth window_;
    bool head_arrived_ = false;
    bool input_ended_ = false;
    bool closed_ = false;
    bool broken_ = false;
    bool peer_has_reset_ = false;
    bool reset_wished_ = false;
    std::optional<std::uint64_t> discard_left_;

    /// The caller's bytes, while it waits in `write`.
    BytesView pending_;
    bool output_ends_ = false;
    bool deferred_ = false;
    Headers out_trailers_;

    std::optional<Error> failure_;
    bool waits_for_ever_ = false;
    bool timed_out_ = false;
    std::chrono::milliseconds head_limit_{0};
    TimePoint read_deadline_ = TimePoint::max();
    TimePoint write_deadline_ = TimePoint::max();
    net::internal::WaitPoint readable_;
    net::internal::WaitPoint writable_;
    std::optional<async::CancellationSource> hang_up_;
};

}  // namespace decloud::net::http::internal
