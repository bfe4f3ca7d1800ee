#include "http2_link.hpp"

#include "../internal/http2_client.hpp"
#include "../internal/http2_server.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>

#include <utility>

namespace decloud::net::http {

namespace {

constexpr std::chrono::milliseconds kTick{250};
/// To which the window of one body may grow that is read as quickly as it comes.
constexpr std::int32_t kMaxStreamWindow = 8 * 1024 * 1024;

async::Task<void> keep_time(std::shared_ptr<internal::Http2Session> session) {
    while (!session->ended()) {
        co_await async::delay(kTick);
        session->tick(std::chrono::steady_clock::now());
    }
}

async::Task<void> run_link(std::shared_ptr<internal::Http2Session> session) {
    async::TaskGroup timer(session->executor());
    timer.spawn(keep_time(session));
    co_await session->run({});
    timer.cancel();
    co_await timer.join();
}

/// A link without requests stays.
ServerSettings without_idle_limit(ServerSettings settings) {
    settings.idle_timeout = std::chrono::hours(24 * 365);
    return settings;
}

}  // namespace

Http2Settings shared_link_settings() {
    Http2Settings settings;
    settings.max_concurrent_streams = 4096;
    settings.stream_window_bytes = 64 * 1024;
    settings.connection_window_bytes = 128 * 1024 * 1024;
    settings.reset_burst = 1'000'000;
    settings.resets_per_second = 1'000'000;
    return settings;
}

Http2Requester::Http2Requester(async::Executor executor,
    std::unique_ptr<Stream> stream,
    const ClientSettings& settings,
    const Http2Settings& http2,
    Liveness liveness,
    std::string_view scheme)
    : session_(std::make_shared<internal::Http2Client>(
          std::move(executor), std::move(stream), settings, http2, scheme)) {
    session_->keep_alive(liveness.ping_after, liveness.dead_after);
    session_->grow_windows(kMaxStreamWindow);
}

Http2Requester::~Http2Requester() { session_->close(); }
async::Task<void> Http2Requester::run() { return run_link(session_); }
async::Task<Result<ClientResponse>> Http2Requester::request(ClientRequest request) {
    return session_->request(std::make_shared<ClientRequest>(std::move(request)));
}
void Http2Requester::drain() { session_->drain(); }
void Http2Requester::close() { session_->close(); }
bool Http2Requester::ended() const { return session_->ended() || !session_->takes_requests(); }
std::size_t Http2Requester::active() const { return session_->streams(); }

Http2Responder::Http2Responder(async::Executor executor,
    std::unique_ptr<Stream> stream,
    PeerAddress peer,
    const ServerSettings& settings,
    Handler handler,
    Liveness liveness)
    : session_(std::make_shared<internal::Http2Server>(std::move(executor),
          std::move(stream),
          peer,
          without_idle_limit(settings),
          std::move(handler))) {
    session_->keep_alive(liveness.ping_after, liveness.dead_after);
    session_->grow_windows(kMaxStreamWindow);
}

Http2Responder::~Http2Responder() { session_->close(); }
async::Task<void> Http2Responder::run() { return run_link(session_); }
void Http2Responder::drain() { session_->drain(); }
void Http2Responder::close() { session_->close(); }
std::size_t Http2Responder::active() const { return session_->streams(); }

}  // namespace decloud::net::http
