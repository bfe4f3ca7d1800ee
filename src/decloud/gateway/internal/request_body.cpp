#include "request_body.hpp"

#include "response_guard.hpp"

#include <decloud/async/timeout.hpp>

#include <algorithm>
#include <chrono>
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

async::Task<Result<void>> RequestBody::begin(std::shared_ptr<RequestBody> self) {
    constexpr std::size_t kMost = std::size_t{64} * 1024;
    // The first part may be a packet behind the head; what follows it either is there or is not.
    std::chrono::milliseconds limit(20);
    while (self->early_.size() < kMost) {
        const std::size_t before = self->early_.size();
        self->early_.resize(kMost);
        const auto got = co_await async::with_timeout(
            limit, self->exchange_->read(std::span(self->early_).subspan(before)));
        self->early_.resize(before + got.value_or(0));
        if (!got && got.error() != make_error_code(CommonError::timeout)) {
            co_return fail(got.error());
        }
        self->early_end_ = got && *got == 0;
        if (!got || self->early_end_) {
            break;
        }
        limit = std::chrono::milliseconds(0);
    }
    co_return Result<void>{};
}

async::Task<Result<std::size_t>> RequestBody::read_next(std::span<std::uint8_t> buffer) {
    const std::size_t early = std::min(buffer.size(), early_.size() - early_begin_);
    if (early == 0 && !early_end_) {
        co_return co_await exchange_->read(buffer);
    }
    std::copy_n(early_.data() + early_begin_, early, buffer.data());
    early_begin_ += early;
    co_return early;
}

async::Task<Result<std::size_t>> RequestBody::read(
    std::shared_ptr<RequestBody> self, std::span<std::uint8_t> buffer) {
    self->touched_ = true;
    auto got = co_await self->read_next(buffer);
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
