#include "endless_service.hpp"

#include "metered_service.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/net/websocket/frame.hpp>

#include <boost/asio/this_coro.hpp>

namespace decloud::pipeline::testing {

namespace {

using protocol::Completion;

constexpr std::chrono::milliseconds kPause{3};
constexpr std::size_t kPayload = 300;

class EndlessCall final : public protocol::PreparedCall {
  public:
    EndlessCall(std::string method, std::chrono::milliseconds interval)
        : method_(std::move(method)) {
        terms_.asset = {kMeteredAsset};
        terms_.max_price = Amount(50);
        terms_.subject = "endless";
        terms_.stream_interval = interval;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& /*body*/,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken gone) override {
        net::http::ResponseHead head{.status = 200, .reason = {}, .headers = {}};
        Result<void> sent;
        if (method_ == "frames") {
            head = {.status = 101, .reason = {}, .headers = {{"Upgrade", "websocket"}}};
            sent = co_await responder.upgrade(std::move(head));
        } else {
            head.headers.add("Content-Type",
                method_ == "text" ? "text/plain" : "Text/Event-Stream ;charset=utf-8");
            sent = co_await responder.start(std::move(head));
        }
        if (method_ == "text") {
            co_await async::delay(10 * terms_.stream_interval);
            sent = co_await responder.write(as_bytes("the end"));
        } else if (method_ == "silence") {
            async::Event over(co_await boost::asio::this_coro::executor);
            const auto registration = gone.on_cancel([&over] { over.set(); });
            sent = co_await over.wait(std::chrono::minutes(1));
        } else {
            while (sent && !gone.cancelled()) {
                sent = co_await say(responder);
            }
        }
        Completion completion = Completion::charged(terms_.max_price);
        // What was cut off is no whole answer.
        completion.broken = method_ != "text";
        co_return completion;
    }

  private:
    [[nodiscard]] async::Task<Result<void>> say(protocol::Responder& responder) const {
        if (method_ == "events") {
            co_await async::delay(kPause);
            co_return co_await responder.write(as_bytes("data: x\n\n"));
        }
        Bytes frame = net::websocket::encode_frame_head(
            net::websocket::Opcode::binary, kPayload, std::nullopt);
        frame.resize(frame.size() + kPayload);
        CO_TRY_VOID(co_await responder.write(BytesView(frame).first(kPayload / 2)));
        co_await async::delay(kPause);
        co_return co_await responder.write(BytesView(frame).subspan(kPayload / 2));
    }

    std::string method_;
    protocol::Terms terms_;
};

class EndlessService final : public protocol::Service {
  public:
    explicit EndlessService(std::chrono::milliseconds interval) : interval_(interval) {}
    [[nodiscard]] std::string_view name() const override { return "endless"; }
    [[nodiscard]] async::Task<protocol::Checked<std::unique_ptr<protocol::PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        co_return std::make_unique<EndlessCall>(call->method, interval_);
    }

  private:
    std::chrono::milliseconds interval_;
};

}  // namespace

std::unique_ptr<protocol::Service> make_endless_service(std::chrono::milliseconds interval) {
    return std::make_unique<EndlessService>(interval);
}

}  // namespace decloud::pipeline::testing
