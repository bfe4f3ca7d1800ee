#pragma once

#include "../address.hpp"
#include "../http/http2_settings.hpp"
#include "../http/parser.hpp"
#include "../stream.hpp"
#include "http2_stream.hpp"
#include "wait_point.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/bytes.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

struct nghttp2_session;

namespace decloud::net::http::internal {

struct Http2Callbacks;

/// How long a peer may take for what.
struct Http2Times {
    /// For a header block, and for the connection's first frame.
    std::chrono::milliseconds header{10'000};
    /// Between two parts of a body that somebody waits for.
    std::chrono::milliseconds body{30'000};
    /// Without a stream.
    std::chrono::milliseconds idle{75'000};
    /// Without room in its window, or on its socket, when we have something to send.
    std::chrono::milliseconds write{60'000};
};

/// So many at once, so many a second.
class RateLimit {
  public:
    RateLimit(std::uint32_t burst, std::uint32_t per_second)
        : burst_(burst), per_second_(per_second), left_(burst) {}
    /// False if it is one too many.
    [[nodiscard]] bool take(std::chrono::steady_clock::time_point now);

  private:
    double burst_;
    double per_second_;
    double left_;
    std::chrono::steady_clock::time_point last_{};
};

/// One HTTP/2 connection over any byte stream: nghttp2 keeps the protocol, this the limits, the
/// times and the bytes. Single threaded.
class Http2Session : public std::enable_shared_from_this<Http2Session> {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    Http2Session(const Http2Session&) = delete;
    Http2Session& operator=(const Http2Session&) = delete;
    virtual ~Http2Session();

    /// Serves until the connection ends; `first` are bytes that were read already.
    [[nodiscard]] async::Task<void> run(Bytes first);
    /// Takes no new streams and ends with the last one. A server says so first, and takes what the
    /// peer had sent before it heard that.
    void drain();
    /// At once.
    void close();
    /// Enforces deadlines; called every now and then.
    void tick(TimePoint now);
    /// Has `tick` ask a silent peer whether it lives, and take it for dead.
    void keep_alive(std::chrono::milliseconds ping_after, std::chrono::milliseconds dead_after);
    /// Lets the windows of streams that are read quickly grow to `most` bytes each. Before the
    /// first stream.
    void grow_windows(std::int32_t most);
    [[nodiscard]] bool ended() const { return closed_; }
    [[nodiscard]] std::size_t streams() const { return streams_.size(); }

    /// What streams ask of it.
    [[nodiscard]] nghttp2_session* native() const { return session_; }
    [[nodiscard]] const Http2Settings& settings() const { return settings_; }
    [[nodiscard]] const Http2Times& times() const { return times_; }
    [[nodiscard]] const Limits& limits() const { return limits_; }
    [[nodiscard]] const async::Executor& executor() const { return executor_; }
    /// 0: they do not grow.
    [[nodiscard]] std::int32_t max_stream_window() const { return max_stream_window_; }
    /// `bytes` of a stream were read.
    void grow(std::int32_t id, WindowGrowth& window, std::size_t bytes);
    /// A stream has ended.
    void shrink(WindowGrowth& window);
    /// Sends soon what nghttp2 has to send.
    void flush_later();
    /// Wakes the stream's waiters once nghttp2 is not on the stack any more.
    void touch(Http2Stream& stream);

  protected:
    Http2Session(async::Executor executor,
        std::unique_ptr<Stream> transport,
        bool server,
        const Http2Settings& settings,
        const Limits& limits,
        const Http2Times& times);

    /// A peer's new stream; nothing refuses it.
    [[nodiscard]] virtual std::shared_ptr<Http2Stream> begin_stream(std::int32_t id) = 0;
    /// A stream's first header block is complete.
    virtual void head_arrived(const std::shared_ptr<Http2Stream>& stream) = 0;
    /// Waits for what still uses streams; all of them are closed by then.
    [[nodiscard]] virtual async::Task<void> wind_up() = 0;

    std::unordered_map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;

  private:
    friend struct Http2Callbacks;

    void make_native(bool server);
    void submit_settings(bool server);
    [[nodiscard]] async::Task<void> read_loop(Bytes first);
    [[nodiscard]] async::Task<void> write_loop();
    [[nodiscard]] bool receive(BytesView bytes);
    /// As much of `bytes` as is of one frame, whose header was looked at before nghttp2 sees it.
    [[nodiscard]] std::size_t one_frame(BytesView bytes);
    /// Takes frames from nghttp2; false if there were none.
    bool pull();
    void collect();
    void settle();
    void flush();
    void end();
    void ping(std::uint8_t kind);
    void on_pong(std::uint8_t kind);
    void measure_round_trip(TimePoint now);
    /// The last GOAWAY.
    void refuse_streams();

    async::Executor executor_;
    std::unique_ptr<Stream> transport_;
    Http2Settings settings_;
    Limits limits_;
    Http2Times times_;
    nghttp2_session* session_ = nullptr;
    RateLimit control_frames_;
    RateLimit resets_;
    async::TaskGroup tasks_;

    /// Of the preface or the frame that is arriving.
    std::size_t frame_left_ = 0;
    Bytes frame_header_;
    /// With that frame a header block ends.
    bool ends_head_ = false;
    /// To be written, and being written.
    Bytes out_;
    Bytes leaving_;
    net::internal::WaitPoint has_output_;
    std::vector<std::shared_ptr<Http2Stream>> touched_;
    std::vector<std::shared_ptr<Http2Stream>> arrived_;
    bool busy_ = false;
    bool flush_posted_ = false;
    /// nghttp2 has nothing more to say: what the peer still sends is thrown away.
    bool lingering_ = false;
    std::uint64_t lingered_bytes_ = 0;
    bool closed_ = false;
    bool draining_ = false;
    /// Streams that begin now are not served.
    bool refusing_ = false;
    bool drained_ = false;
    TimePoint drain_since_ = TimePoint::max();
    std::int32_t max_stream_window_ = 0;
    /// By which all streams' windows together may still grow.
    std::int32_t growth_left_ = 0;
    /// 0: not measured yet.
    std::chrono::steady_clock::duration round_trip_{0};
    TimePoint measured_;
    bool measuring_ = false;
    std::chrono::milliseconds ping_after_{0};
    std::chrono::milliseconds dead_after_{0};
    TimePoint heard_;
    TimePoint asked_;
    /// The highest stream that the peer has begun, and what ended last, newest at the end: true if
    /// by the peer, which then has nothing more to say on it.
    std::int32_t last_begun_ = 0;
    std::deque<std::pair<std::int32_t, bool>> ended_streams_;
    TimePoint idle_since_;
    TimePoint head_since_ = TimePoint::max();
    TimePoint write_since_ = TimePoint::max();
    TimePoint linger_since_ = TimePoint::max();
};

}  // namespace decloud::net::http::internal
