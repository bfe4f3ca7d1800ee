#include "ledger_hold.hpp"

#include "error.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>

namespace decloud::payments {

CallRecord call_record_of(protocol::CallSummary summary) {
    CallRecord record;
    record.service = std::move(summary.service);
    record.subject = std::move(summary.subject);
    record.request_digest = summary.request_digest;
    record.response_digest = summary.response_digest;
    record.status = static_cast<std::uint32_t>(summary.status);
    record.response_bytes = summary.response_bytes;
    record.duration = summary.duration;
    record.interval = summary.interval;
    return record;
}

LedgerHold::~LedgerHold() {
    if (!ended_) {
        release("cancelled");
    }
}

Result<void> LedgerHold::extend(Amount more) {
    if (!counts_calls_) {
        TRY_VOID(ledger_.extend(id_, more));
    }
    TRY(held_, held_.plus(more));
    return {};
}

async::Task<Result<void>> LedgerHold::hold_interval(Amount price) {
    CO_TRY(const Amount wanted, held_.plus(price));
    CO_TRY(const Amount total, charged_.plus(wanted));
    if (bounds_.most && total > *bounds_.most) {
        co_return fail(PaymentError::insufficient_funds,
            "the authorization is over " + to_string(*bounds_.most));
    }
    if (const auto reason =
            bounds_.channels == nullptr ? std::nullopt : bounds_.channels->suspended()) {
        co_return fail(CommonError::unavailable, *reason);
    }
    CO_TRY_VOID(co_await ledger_.extend_interval(id_, counts_calls_ ? Amount(1) : price));
    held_ = wanted;
    co_return Result<void>{};
}

Result<std::string> LedgerHold::commit_interval(Amount actual, protocol::CallSummary summary) {
    const Amount price = std::min(actual, held_);
    TRY(const ReceiptId receipt, ledger_.commit_interval(id_, counts_calls_ ? Amount(1) : price,
                                     call_record_of(std::move(summary))));
    held_ = held_.saturating_minus(price);
    charged_ = Amount(charged_.units() + price.units());
    return to_string(receipt);
}

Result<std::string> LedgerHold::commit(Amount actual, protocol::CallSummary summary) {
    // A bid that was taken is all that is charged.
    const Amount charged = counts_calls_ ? Amount(1) : std::min(actual, held_);
    TRY(const ReceiptId receipt, ledger_.commit(id_, charged, call_record_of(std::move(summary))));
    ended_ = true;
    return to_string(receipt);
}

void LedgerHold::release(std::string_view reason) {
    ended_ = true;
    const auto released = ledger_.release(id_, ReleaseReason::other);
    if (!released) {
        log::warning("payments", "a hold could not be released ({}): {}", reason,
            released.error().message());
    }
}

}  // namespace decloud::payments
