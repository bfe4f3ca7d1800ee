#include "finished_codec.hpp"

#include <decloud/store/error.hpp>

namespace decloud::payments::internal {

namespace {

/// Which fields are as in the record before. Part of the format: never renumbered.
constexpr unsigned kGoesOn = 1U << 0U;
constexpr unsigned kSameMoney = 1U << 1U;
constexpr unsigned kSameTime = 1U << 2U;
constexpr unsigned kSameCallId = 1U << 3U;
constexpr unsigned kSameService = 1U << 4U;
constexpr unsigned kSameSubject = 1U << 5U;
constexpr unsigned kSameRequest = 1U << 6U;
constexpr unsigned kSameResponse = 1U << 7U;
constexpr unsigned kSameOutcome = 1U << 8U;
constexpr unsigned kSameCounters = 1U << 9U;
/// Not the same: it has the number of its interval.
constexpr unsigned kInterval = 1U << 10U;
constexpr unsigned kKnown = (1U << 11U) - 1U;
/// What a record has that stands for itself.
constexpr unsigned kOwn = kGoesOn | kInterval;

unsigned compare(const FinishedRecord& record, const FinishedRecord* previous) {
    const unsigned own =
        (record.goes_on ? kGoesOn : 0U) | (record.call.interval != 0 ? kInterval : 0U);
    if (previous == nullptr) {
        return own;
    }
    const FinishedRecord& other = *previous;
    const CallRecord& call = record.call;
    const auto flag = [](bool same, unsigned bit) { return same ? bit : 0U; };
    const bool same_money =
        record.payer == other.payer && record.amount == other.amount && record.calls == other.calls;
    const bool same_outcome =
        call.status == other.call.status && call.response_bytes == other.call.response_bytes;
    return own | flag(same_money, kSameMoney) |
           flag(record.time.value == other.time.value, kSameTime) |
           flag(record.call_id == other.call_id, kSameCallId) |
           flag(call.service == other.call.service, kSameService) |
           flag(call.subject == other.call.subject, kSameSubject) |
           flag(call.request_digest == other.call.request_digest, kSameRequest) |
           flag(call.response_digest == other.call.response_digest, kSameResponse) |
           flag(same_outcome, kSameOutcome) |
           flag(record.counters == other.counters, kSameCounters);
}

void decode_call(Decoder& in, unsigned same, CallRecord& call) {
    if ((same & kSameService) == 0) {
        call.service = in.text();
    }
    if ((same & kSameSubject) == 0) {
        call.subject = in.text();
    }
    if ((same & kSameRequest) == 0) {
        call.request_digest = in.fixed<Bytes32>();
    }
    if ((same & kSameResponse) == 0) {
        call.response_digest = in.fixed<Bytes32>();
    }
    if ((same & kSameOutcome) == 0) {
        call.status = in.number<std::uint32_t>();
        call.response_bytes = in.number<std::uint64_t>();
    }
    call.duration = std::chrono::microseconds(in.number<std::uint64_t>());
    call.interval = (same & kInterval) == 0 ? 0 : in.number<std::uint32_t>();
}

void encode_call(Encoder& out, unsigned same, const CallRecord& call) {
    if ((same & kSameService) == 0) {
        out.text(call.service);
    }
    if ((same & kSameSubject) == 0) {
        out.text(call.subject);
    }
    if ((same & kSameRequest) == 0) {
        out.fixed(call.request_digest);
    }
    if ((same & kSameResponse) == 0) {
        out.fixed(call.response_digest);
    }
    if ((same & kSameOutcome) == 0) {
        out.number(call.status);
        out.number(call.response_bytes);
    }
    out.number(static_cast<std::uint64_t>(call.duration.count()));
    if ((same & kInterval) != 0) {
        out.number(call.interval);
    }
}

}  // namespace

void encode_short(Encoder& out, const FinishedRecord& record, const FinishedRecord* previous) {
    const unsigned same = compare(record, previous);
    out.integer(static_cast<std::uint16_t>(same));
    out.number(record.serial);
    out.number(record.receipt_serial);
    out.fixed(record.receipt);
    if ((same & kSameMoney) == 0) {
        out.number(record.payer);
        out.number<Uint128>(record.amount.units());
        out.number(record.calls);
    }
    if ((same & kSameTime) == 0) {
        out.number(record.time.value);
    }
    if ((same & kSameCallId) == 0) {
        out.text(record.call_id);
    }
    encode_call(out, same, record.call);
    if ((same & kSameCounters) == 0) {
        out.number(static_cast<std::uint8_t>(record.counters.size()));
        for (const CounterIndex counter : record.counters) {
            out.number(counter);
        }
    }
}

Result<FinishedRecord> decode_short(BytesView data, const FinishedRecord* previous) {
    Decoder in(data);
    const unsigned same = in.integer<std::uint16_t>();
    if ((same & ~kKnown) != 0 || (previous == nullptr && (same & ~kOwn) != 0)) {
        return fail(StoreError::damaged, "a ledger record refers to one that is not there");
    }
    FinishedRecord record = previous == nullptr ? FinishedRecord{} : *previous;
    record.goes_on = (same & kGoesOn) != 0;
    record.serial = in.number<HoldSerial>();
    record.receipt_serial = in.number<std::uint64_t>();
    record.receipt = in.fixed<ReceiptId>();
    if ((same & kSameMoney) == 0) {
        record.payer = in.number<PayerIndex>();
        record.amount = Amount(in.number<Uint128>());
        record.calls = in.number<std::uint64_t>();
    }
    if ((same & kSameTime) == 0) {
        record.time.value = in.number<std::uint64_t>();
    }
    if ((same & kSameCallId) == 0) {
        record.call_id = in.text();
    }
    decode_call(in, same, record.call);
    if ((same & kSameCounters) == 0) {
        record.counters.clear();
        const auto counters = in.number<std::uint8_t>();
        for (std::uint8_t i = 0; i < counters; ++i) {
            record.counters.push_back(in.number<CounterIndex>());
        }
    }
    if (!in.done()) {
        return fail(StoreError::damaged, "a ledger record has the wrong length");
    }
    return record;
}

}  // namespace decloud::payments::internal
