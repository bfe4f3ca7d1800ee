#include "ledger_hold.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>

namespace decloud::payments {

LedgerHold::~LedgerHold() {
    if (!ended_) {
        release("cancelled");
    }
}

Result<void> LedgerHold::extend(Amount more) {
    TRY_VOID(ledger_.extend(id_, more));
    TRY(held_, held_.plus(more));
    return {};
}

Result<std::string> LedgerHold::commit(Amount actual, protocol::CallSummary summary) {
    CallRecord record;
    record.service = std::move(summary.service);
    record.subject = std::move(summary.subject);
    record.request_digest = summary.request_digest;
    record.response_digest = summary.response_digest;
    record.status = static_cast<std::uint32_t>(summary.status);
    record.response_bytes = summary.response_bytes;
    record.duration = summary.duration;
    // A bid that was taken is all that is charged.
    const Amount charged = counts_calls_ ? Amount(1) : std::min(actual, held_);
    TRY(const ReceiptId receipt, ledger_.commit(id_, charged, std::move(record)));
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
