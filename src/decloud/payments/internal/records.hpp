#pragma once

#include "../types.hpp"
#include "codec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decloud::payments::internal {

/// Types of the ledger's log records. Part of the format: never renumbered.
enum class RecordType : std::uint8_t {
    payer = 1,
    counter = 2,
    hold = 3,
    served = 4,
    finished = 5,
    released = 6,
    sent_row = 7,
    finished_short = 8,
    voucher = 9,
    served_ahead = 10,
};

/// Payers and counters are named once and numbered, so that the record of a call stays small.
using PayerIndex = std::uint32_t;
using CounterIndex = std::uint32_t;
/// Numbers holds over the life of a home.
using HoldSerial = std::uint64_t;

/// The whole state of one payer, replacing what was known.
struct PayerRecord {
    PayerIndex index = 0;
    PayerAccount payer;
    ChannelState chain;
    Spent spent;
    /// What of `spent` the chain showed at a start and this log did not have.
    Amount adopted;
    Spent sent;
    /// Rows that were sent and may still appear on chain, oldest first.
    std::vector<Spent> sent_rows;
    /// Empty: served.
    std::string stopped;
    std::optional<AcceptedVoucher> voucher;
};

struct CounterRecord {
    CounterIndex index = 0;
    std::string key;
    /// 0: never.
    std::uint64_t expires = 0;
};

/// Only of holds with an idempotency key.
struct HoldRecord {
    HoldSerial serial = 0;
    PayerIndex payer = 0;
    Amount max;
    std::string key;
    std::uint64_t expires = 0;
    Bytes32 request_digest;
    std::string call_id;
};

struct ServedRecord {
    HoldSerial serial = 0;
    PayerIndex payer = 0;
    Amount max;
};

/// The holds with these serials that have no record of their own may be answered, for at most
/// `each`. Ends what an earlier one says of serials from `from` on; `through` below `from` says
/// nothing more.
struct ServedAheadRecord {
    HoldSerial from = 0;
    HoldSerial through = 0;
    Amount each;
};

/// Written as `finished` by earlier versions, as `finished_short` now (finished_codec.hpp).
struct FinishedRecord {
    HoldSerial serial = 0;
    /// The hold goes on: one interval of a stream.
    bool goes_on = false;
    std::uint64_t receipt_serial = 0;
    ReceiptId receipt;
    PayerIndex payer = 0;
    Amount amount;
    std::uint64_t calls = 0;
    UnixSeconds time;
    std::string call_id;
    CallRecord call;
    std::vector<CounterIndex> counters;
};

struct ReleasedRecord {
    HoldSerial serial = 0;
    ReleaseReason reason = ReleaseReason::other;
};

struct SentRowRecord {
    PayerIndex payer = 0;
    Spent row;
};

/// The newest voucher of a payer that has a signer.
struct VoucherRecord {
    PayerIndex payer = 0;
    AcceptedVoucher voucher;
};

void encode(Encoder& out, const PayerRecord& record);
void encode(Encoder& out, const CounterRecord& record);
void encode(Encoder& out, const HoldRecord& record);
void encode(Encoder& out, const ServedRecord& record);
void encode(Encoder& out, const ServedAheadRecord& record);
void encode(Encoder& out, const FinishedRecord& record);
void encode(Encoder& out, const ReleasedRecord& record);
void encode(Encoder& out, const SentRowRecord& record);
void encode(Encoder& out, const VoucherRecord& record);

/// Error: StoreError::damaged.
template <class Record>
[[nodiscard]] Result<Record> decode(BytesView data);

template <>
Result<PayerRecord> decode(BytesView data);
template <>
Result<CounterRecord> decode(BytesView data);
template <>
Result<HoldRecord> decode(BytesView data);
template <>
Result<ServedRecord> decode(BytesView data);
template <>
Result<ServedAheadRecord> decode(BytesView data);
template <>
Result<FinishedRecord> decode(BytesView data);
template <>
Result<ReleasedRecord> decode(BytesView data);
template <>
Result<SentRowRecord> decode(BytesView data);
template <>
Result<VoucherRecord> decode(BytesView data);

}  // namespace decloud::payments::internal
