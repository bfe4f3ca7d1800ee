#include "request_body.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

namespace decloud::pipeline {

namespace {
constexpr std::size_t kReadBytes = 64 * 1024;
// The server bounds the wait for each part only, and a hold waits with the body.
constexpr auto kLoadLimit = std::chrono::minutes(1);
}  // namespace

ExchangeBody::ExchangeBody(net::http::Exchange& exchange, std::uint64_t max_bytes)
    : exchange_(exchange), max_bytes_(max_bytes) {}

async::Task<Result<void>> ExchangeBody::load() {
    loaded_ = true;
    const auto length = exchange_.content_length();
    if (length == 0U) {
        complete_ = true;
        co_return Result<void>{};
    }
    const auto end = std::chrono::steady_clock::now() + kLoadLimit;
    const std::uint64_t want = std::min(length.value_or(kWholeBodyBytes + 1), kWholeBodyBytes + 1);
    while (buffer_.size() < kWholeBodyBytes + 1) {
        const std::size_t before = buffer_.size();
        buffer_.resize(std::min<std::size_t>(before + kReadBytes,
            std::max<std::size_t>(static_cast<std::size_t>(want), before + 1)));
        CO_TRY(
            const std::size_t count, co_await exchange_.read(std::span(buffer_).subspan(before)));
        buffer_.resize(before + count);
        received_ += count;
        if (received_ > max_bytes_) {
            co_return fail(CommonError::limit_exceeded,
                "a request body of more than " + std::to_string(max_bytes_) + " bytes");
        }
        if (count == 0) {
            complete_ = true;
            break;
        }
        if (count < kReadBytes && std::chrono::steady_clock::now() > end) {
            co_return fail(CommonError::timeout, "the request's body");
        }
    }
    hash_.update(buffer_);
    co_return Result<void>{};
}

async::Task<Result<std::size_t>> ExchangeBody::read(std::span<std::uint8_t> target) {
    if (position_ < buffer_.size()) {
        const std::size_t count = std::min(target.size(), buffer_.size() - position_);
        std::memcpy(target.data(), buffer_.data() + position_, count);
        position_ += count;
        co_return count;
    }
    if (complete_) {
        co_return std::size_t{0};
    }
    CO_TRY(const std::size_t count, co_await exchange_.read(target));
    received_ += count;
    if (received_ > max_bytes_) {
        co_return fail(CommonError::limit_exceeded,
            "a request body of more than " + std::to_string(max_bytes_) + " bytes");
    }
    if (count == 0 && !digest_) {
        digest_ = hash_.finish();
    }
    if (count == 0 && expected_ && digest_ != expected_) {
        co_return fail(CommonError::invalid_input, "the body is not what Content-Digest says");
    }
    hash_.update(BytesView(target.data(), count));
    co_return count;
}

const std::optional<crypto::Sha256Digest>& ExchangeBody::digest() {
    if (complete_ && !digest_) {
        digest_ = hash_.finish();
    }
    return digest_;
}

}  // namespace decloud::pipeline
