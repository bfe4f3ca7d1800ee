#include "request_body.hpp"

#include "response_guard.hpp"

#include <utility>

namespace decloud::gateway::internal {

RequestBody::RequestBody(std::shared_ptr<net::http::Exchange> exchange, std::uint64_t max_bytes)
    : exchange_(std::move(exchange)), left_(max_bytes) {}

net::http::BodySource RequestBody::as_source(std::shared_ptr<RequestBody> body) {
    net::http::BodySource source;
    source.length = body->exchange_->content_length();
    source.trailers = [body] {
        net::http::Headers trailers = body->exchange_->trailers();
        guard_trailers(trailers);
        return trailers;
    };
    source.read = [body = std::move(body)](
                      std::span<std::uint8_t> buffer) { return read(body, buffer); };
    return source;
}

async::Task<Result<std::size_t>> RequestBody::read(
    std::shared_ptr<RequestBody> self, std::span<std::uint8_t> buffer) {
    auto got = co_await self->exchange_->read(buffer);
    if (got && *got > self->left_) {
        got = fail(CommonError::limit_exceeded, "the body is too long");
    }
    if (got) {
        self->left_ -= *got;
    } else if (got.error() != make_error_code(CommonError::cancelled)) {
        self->failure_ = got.error();
    }
    co_return got;
}

}  // namespace decloud::gateway::internal
