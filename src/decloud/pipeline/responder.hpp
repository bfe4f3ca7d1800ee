#pragma once

#include "request_body.hpp"

#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/protocol/call.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <memory>
#include <optional>
#include <span>

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
    };

    /// `hold` is null where nothing is charged. Both outlive this.
    ExchangeResponder(net::http::Exchange& exchange, protocol::PaymentHold* hold, Rules rules)
        : exchange_(exchange), hold_(hold), rules_(std::move(rules)) {}

    Result<void> send(net::http::ResponseHead head, Bytes body) override;
    [[nodiscard]] async::Task<Result<void>> start(net::http::ResponseHead head) override;
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes) override;
    [[nodiscard]] async::Task<Result<void>> upgrade(net::http::ResponseHead head) override;
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    [[nodiscard]] bool started() const override { return started_; }
    /// Ends an upgraded connection, if there is one: what was written still arrives, as far as the
    /// client does not take too long to end its own direction.
    [[nodiscard]] async::Task<void> end_upgraded();
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
    [[nodiscard]] async::Task<Result<void>> ready_to_start(net::http::ResponseHead* head);

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
    bool has_answer_ = false;
    bool started_ = false;
};

}  // namespace decloud::pipeline
