#pragma once

#include "../interval_charging.hpp"
#include "../pipeline.hpp"
#include "../request_body.hpp"
#include "../responder.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace decloud::pipeline {

/// What one call carries from stage to stage.
struct Pipeline::Run {
    net::http::Exchange exchange;
    std::shared_ptr<const protocol::Call> call;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
    std::shared_ptr<protocol::PreparedCall> prepared;
    /// What the admission rules say beside the answer.
    protocol::HeaderFields admitted;
    std::unique_ptr<ExchangeBody> body;
    std::unique_ptr<protocol::PaymentHold> hold;
    std::unique_ptr<ExchangeResponder> responder;
    /// From `Content-Digest`; verified against the body.
    std::optional<crypto::Sha256Digest> announced_digest;
    std::optional<Bytes32> request_digest;
    std::string answer_key;
    async::Executor executor{};
    /// Ends what serves it.
    async::CancellationSource stop{};
    /// Of an answer that is a stream and is paid by the interval.
    std::unique_ptr<IntervalCharging> intervals{};

    [[nodiscard]] const protocol::Terms& terms() const { return prepared->terms(); }
    [[nodiscard]] std::shared_ptr<const protocol::Terms> shared_terms() const {
        return {prepared, &prepared->terms()};
    }
    /// The RequestDigest, also of a request whose body was not read but is known by its head.
    [[nodiscard]] std::optional<Bytes32> known_digest() const {
        if (request_digest) {
            return request_digest;
        }
        const bool is_empty = call->content_length == std::uint64_t{0};
        const auto content =
            announced_digest || !is_empty ? announced_digest : crypto::sha256(BytesView());
        return content ? std::optional(digest_with(*content)) : std::nullopt;
    }
    /// What its receipt says, when so much of the answer has been given.
    [[nodiscard]] protocol::CallSummary summary(
        int status, const Bytes32& response_digest, std::uint64_t response_bytes) const {
        return {.service = call->service,
            .subject = terms().subject,
            .request_digest = request_digest.value_or(Bytes32{}),
            .response_digest = response_digest,
            .status = status,
            .response_bytes = response_bytes,
            .duration = std::chrono::duration_cast<std::chrono::microseconds>(
                std::chrono::steady_clock::now() - started),
            .interval = intervals ? intervals->intervals() : 0};
    }
    [[nodiscard]] Bytes32 digest_with(const crypto::Sha256Digest& content) const {
        return protocol::request_digest({.method = call->head.method,
            .target = call->head.target,
            .content_digest = content,
            .audience = call->audience});
    }
};

}  // namespace decloud::pipeline
