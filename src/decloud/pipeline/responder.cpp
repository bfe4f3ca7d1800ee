#include "responder.hpp"

#include <utility>

namespace decloud::pipeline {

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
    status_ = head.status;
    if (hold_ != nullptr) {
        if (auto served = co_await hold_->served(); !served) {
            refusal_ = served.error();
            co_return fail(served.error());
        }
        for (const auto& [name, value] : hold_->answer_headers()) {
            head.headers.set(name, value);
        }
    }
    started_ = true;
    head.headers.set("OpenCloud-Status", "ok");
    co_return co_await exchange_.start(std::move(head));
}

async::Task<Result<void>> ExchangeResponder::write(BytesView bytes) {
    if (started_) {
        hash_.update(bytes);
        body_bytes_ += bytes.size();
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
