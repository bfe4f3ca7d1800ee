#pragma once

#include "request_body.hpp"

#include <decloud/async/event.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/websocket/frame_tracker.hpp>
#include <decloud/protocol/call.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace decloud::pipeline {

/// One exchange's way back. A whole answer is kept until the charge is made; a streamed one makes
/// the charge's `served` durable before its head leaves. Where the request's body binds a payment,
/// a streamed answer waits in memory until the body has been verified.
class ExchangeResponder final : public protocol::Responder {
  public:
    /// When a streamed answer may leave.
    struct Rules {
        /// Wait for the whole body before the first byte.
        bool after_body = false;
        std::size_t max_waiting_bytes = std::size_t{16} << 20U;
        /// Set in the head of a streamed answer.
        protocol::HeaderFields headers{};
        /// Called once before the head of an answer that is a stream leaves: server-sent events,
        /// or a WebSocket's. Empty: nobody wants to know.
        std::function<void(net::http::ResponseHead&)> on_stream{};
    };

    /// `hold` is null where nothing is charged. Both outlive this.
    ExchangeResponder(net::http::Exchange& exchange, protocol::PaymentHold* hold, Rules rules)
        : exchange_(exchange), hold_(hold), rules_(std::move(rules)), frames_(kServer) {}

    Result<void> send(net::http::ResponseHead head, Bytes body) override;
    [[nodiscard]] async::Task<Result<void>> start(net::http::ResponseHead head) override;
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes) override;
    [[nodiscard]] async::Task<Result<void>> upgrade(net::http::ResponseHead head) override;
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    [[nodiscard]] bool started() const override { return started_; }
    /// Nothing more is taken from the program. Of a WebSocket the frame under way still passes, for
    /// some seconds at most.
    [[nodiscard]] async::Task<void> stop();
    /// Ends an upgraded connection, if there is one: what was written still arrives, as far as the
    /// client does not take too long to end its own direction. With a reason a WebSocket is told
    /// it, as a violated policy (RFC 6455 §7.4.1), where that can be said.
    [[nodiscard]] async::Task<void> end_upgraded(std::optional<std::string> reason);
    [[nodiscard]] bool upgraded() const { return connection_ != nullptr; }

    /// A whole or waiting answer that has not left yet.
    [[nodiscard]] bool has_answer() const { return has_answer_; }
    [[nodiscard]] net::http::ResponseHead& head() { return head_; }
    [[nodiscard]] Bytes& body() { return body_; }
    /// Status of whatever answer there is.
    [[nodiscard]] int status() const { return status_; }
    /// Set if `served` could not be made durable, so that nothing was sent: the provider's fault.
    [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }
    /// Of a started answer.
    [[nodiscard]] std::uint64_t body_bytes() const { return body_bytes_; }
    /// Call once, at the end.
    [[nodiscard]] crypto::Sha256Digest body_digest() { return hash_.finish(); }

  private:
    static constexpr auto kServer = net::websocket::Role::server;

    [[nodiscard]] async::Task<Result<void>> ready_to_start(net::http::ResponseHead* head);
    [[nodiscard]] async::Task<Result<void>> write_started(BytesView bytes);
    [[nodiscard]] async::Task<void> say_close(std::string reason);

    net::http::Exchange& exchange_;
    protocol::PaymentHold* hold_;
    std::unique_ptr<net::Stream> connection_;
    Rules rules_;
    net::http::ResponseHead head_;
    Bytes body_;
    int status_ = 0;
    std::uint64_t body_bytes_ = 0;
    crypto::Sha256 hash_;
    std::optional<Error> refusal_;
    /// What the program says after an upgrade.
    net::websocket::FrameTracker frames_;
    /// While it is stopped within a frame.
    std::optional<async::Event> frame_ended_;
    bool stopping_ = false;
    bool has_answer_ = false;
    bool started_ = false;
};

}  // namespace decloud::pipeline
