#pragma once

#include "../pipeline.hpp"
#include "../request_body.hpp"
#include "../responder.hpp"

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
    [[nodiscard]] Bytes32 digest_with(const crypto::Sha256Digest& content) const {
        return protocol::request_digest({.method = call->head.method,
            .target = call->head.target,
            .content_digest = content,
            .audience = call->audience});
    }
};

}  // namespace decloud::pipeline
