#include "responder.hpp"

#include <decloud/async/timeout.hpp>

#include <array>
#include <utility>

namespace decloud::pipeline {

namespace {

constexpr std::chrono::seconds kLingerLimit{2};

async::Task<Result<void>> read_to_end(net::Stream* stream) {
    std::array<std::uint8_t, 4096> buffer{};
    for (;;) {
        const auto got = co_await stream->read(buffer);
        if (!got || *got == 0) {
            co_return Result<void>{};
        }
    }
}

}  // namespace

Result<void> ExchangeResponder::send(net::http::ResponseHead head, Bytes body) {
    if (has_answer_ || started_) {
        return fail(CommonError::conflict, "an answer was given already");
    }
    status_ = head.status;
    head_ = std::move(head);
    body_ = std::move(body);
    has_answer_ = true;
    return {};
}

async::Task<Result<void>> ExchangeResponder::start(net::http::ResponseHead head) {
    if (rules_.after_body) {
        co_return send(std::move(head), {});
    }
    CO_TRY_VOID(co_await ready_to_start(&head));
    co_return co_await exchange_.start(std::move(head));
}

async::Task<Result<void>> ExchangeResponder::ready_to_start(net::http::ResponseHead* head) {
    status_ = head->status;
    if (hold_ != nullptr) {
        if (auto served = co_await hold_->served(); !served) {
            refusal_ = served.error();
            co_return fail(served.error());
        }
        for (const auto& [name, value] : hold_->answer_headers()) {
            head->headers.set(name, value);
        }
    }
    for (const auto& [name, value] : rules_.headers) {
        head->headers.set(name, value);
    }
    started_ = true;
    head->headers.set("OpenCloud-Status", "ok");
    co_return Result<void>{};
}

async::Task<Result<void>> ExchangeResponder::upgrade(net::http::ResponseHead head) {
    if (has_answer_ || started_) {
        co_return fail(CommonError::conflict, "an answer was given already");
    }
    CO_TRY_VOID(co_await ready_to_start(&head));
    CO_TRY(connection_, co_await exchange_.upgrade(std::move(head)));
    co_return Result<void>{};
}

async::Task<Result<std::size_t>> ExchangeResponder::read(std::span<std::uint8_t> buffer) {
    if (!connection_) {
        co_return fail(CommonError::conflict, "nothing was upgraded");
    }
    co_return co_await connection_->read(buffer);
}

async::Task<void> ExchangeResponder::end_upgraded() {
    if (!connection_) {
        co_return;
    }
    connection_->shutdown_write();
    (void)co_await async::with_timeout(kLingerLimit, read_to_end(connection_.get()));
    connection_->close();
}

async::Task<Result<void>> ExchangeResponder::write(BytesView bytes) {
    if (started_) {
        hash_.update(bytes);
        body_bytes_ += bytes.size();
        if (connection_) {
            co_return co_await connection_->write(bytes);
        }
        co_return co_await exchange_.write(bytes);
    }
    if (body_.size() + bytes.size() > rules_.max_waiting_bytes) {
        co_return fail(CommonError::limit_exceeded,
            "an answer that is too large to wait for the end of the request");
    }
    append(body_, bytes);
    co_return Result<void>{};
}

}  // namespace decloud::pipeline
