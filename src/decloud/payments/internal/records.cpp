#include "records.hpp"

#include <decloud/store/error.hpp>

namespace decloud::payments::internal {

namespace {

void encode_spent(Encoder& out, const Spent& spent) {
    out.integer(spent.calls);
    out.amount(spent.amount);
}

Spent decode_spent(Decoder& in) {
    Spent spent;
    spent.calls = in.integer<std::uint64_t>();
    spent.amount = in.amount();
    return spent;
}

void encode_chain(Encoder& out, const ChannelState& chain) {
    out.text(chain.asset.text);
    out.text(chain.owner);
    out.amount(chain.reserved);
    out.amount(chain.claimed_on_chain);
    out.integer(chain.calls_on_chain);
    out.amount(chain.price);
    out.integer(static_cast<std::uint8_t>((chain.closing ? 1U : 0U) | (chain.is_final ? 2U : 0U)));
    out.integer(chain.block);
}

ChannelState decode_chain(Decoder& in) {
    ChannelState chain;
    chain.asset.text = in.text();
    chain.owner = in.text();
    chain.reserved = in.amount();
    chain.claimed_on_chain = in.amount();
    chain.calls_on_chain = in.integer<std::uint64_t>();
    chain.price = in.amount();
    const auto flags = in.integer<std::uint8_t>();
    chain.closing = (flags & 1U) != 0;
    chain.is_final = (flags & 2U) != 0;
    chain.block = in.integer<std::uint64_t>();
    return chain;
}

void encode_voucher(Encoder& out, const AcceptedVoucher& voucher) {
    out.amount(voucher.cumulative);
    out.fixed(voucher.signature);
    out.integer(voucher.first_sequence);
}

AcceptedVoucher decode_voucher(Decoder& in) {
    AcceptedVoucher voucher;
    voucher.cumulative = in.amount();
    voucher.signature = in.fixed<crypto::EcdsaSignature>();
    voucher.first_sequence = in.integer<std::uint64_t>();
    return voucher;
}

void encode_call(Encoder& out, const CallRecord& call) {
    out.text(call.service);
    out.text(call.subject);
    out.fixed(call.request_digest);
    out.fixed(call.response_digest);
    out.integer(call.status);
    out.integer(call.response_bytes);
    out.integer(static_cast<std::uint64_t>(call.duration.count()));
}

CallRecord decode_call(Decoder& in) {
    CallRecord call;
    call.service = in.text();
    call.subject = in.text();
    call.request_digest = in.fixed<Bytes32>();
    call.response_digest = in.fixed<Bytes32>();
    call.status = in.integer<std::uint32_t>();
    call.response_bytes = in.integer<std::uint64_t>();
    call.duration = std::chrono::microseconds(in.integer<std::uint64_t>());
    return call;
}

template <class Record>
Result<Record> checked(const Decoder& in, Record record) {
    if (!in.done()) {
        return fail(StoreError::damaged, "a ledger record has the wrong length");
    }
    return record;
}

}  // namespace

void encode(Encoder& out, const PayerRecord& record) {
    out.integer(record.index);
    out.text(record.payer.text);
    encode_chain(out, record.chain);
    encode_spent(out, record.spent);
    out.amount(record.adopted);
    encode_spent(out, record.sent);
    out.text(record.stopped);
    out.integer(static_cast<std::uint32_t>(record.sent_rows.size()));
    for (const Spent& row : record.sent_rows) {
        encode_spent(out, row);
    }
    // Others end here, as all did before there were vouchers.
    if (!record.chain.signer.is_zero()) {
        out.fixed(record.chain.signer);
        out.integer(static_cast<std::uint8_t>(record.voucher ? 1 : 0));
        if (record.voucher) {
            encode_voucher(out, *record.voucher);
        }
    }
}

template <>
Result<PayerRecord> decode(BytesView data) {
    Decoder in(data);
    PayerRecord record;
    record.index = in.integer<PayerIndex>();
    record.payer.text = in.text();
    record.chain = decode_chain(in);
    record.spent = decode_spent(in);
    record.adopted = in.amount();
    record.sent = decode_spent(in);
    record.stopped = in.text();
    const auto rows = in.integer<std::uint32_t>();
    for (std::uint32_t i = 0; i < rows && in.ok(); ++i) {
        record.sent_rows.push_back(decode_spent(in));
    }
    if (in.ok() && !in.done()) {
        record.chain.signer = in.fixed<Address>();
        if (in.integer<std::uint8_t>() != 0) {
            record.voucher = decode_voucher(in);
        }
    }
    return checked(in, std::move(record));
}

void encode(Encoder& out, const CounterRecord& record) {
    out.integer(record.index);
    out.integer(record.expires);
    out.text(record.key);
}

template <>
Result<CounterRecord> decode(BytesView data) {
    Decoder in(data);
    CounterRecord record;
    record.index = in.integer<CounterIndex>();
    record.expires = in.integer<std::uint64_t>();
    record.key = in.text();
    return checked(in, std::move(record));
}

void encode(Encoder& out, const HoldRecord& record) {
    out.integer(record.serial);
    out.integer(record.payer);
    out.amount(record.max);
    out.integer(record.expires);
    out.fixed(record.request_digest);
    out.text(record.key);
    out.text(record.call_id);
}

template <>
Result<HoldRecord> decode(BytesView data) {
    Decoder in(data);
    HoldRecord record;
    record.serial = in.integer<HoldSerial>();
    record.payer = in.integer<PayerIndex>();
    record.max = in.amount();
    record.expires = in.integer<std::uint64_t>();
    record.request_digest = in.fixed<Bytes32>();
    record.key = in.text();
    record.call_id = in.text();
    return checked(in, std::move(record));
}

void encode(Encoder& out, const ServedRecord& record) {
    out.integer(record.serial);
    out.integer(record.payer);
    out.amount(record.max);
}

template <>
Result<ServedRecord> decode(BytesView data) {
    Decoder in(data);
    ServedRecord record;
    record.serial = in.integer<HoldSerial>();
    record.payer = in.integer<PayerIndex>();
    record.max = in.amount();
    return checked(in, record);
}

void encode(Encoder& out, const ServedAheadRecord& record) {
    out.integer(record.from);
    out.integer(record.through);
    out.amount(record.each);
}

template <>
Result<ServedAheadRecord> decode(BytesView data) {
    constexpr HoldSerial kMostSerials = 1U << 16U;
    Decoder in(data);
    ServedAheadRecord record;
    record.from = in.integer<HoldSerial>();
    record.through = in.integer<HoldSerial>();
    record.each = in.amount();
    if (record.through > record.from && record.through - record.from >= kMostSerials) {
        return fail(StoreError::damaged, "a ledger record speaks for too many calls");
    }
    return checked(in, record);
}

void encode(Encoder& out, const FinishedRecord& record) {
    out.integer(record.serial);
    out.integer(static_cast<std::uint8_t>(record.goes_on ? 1 : 0));
    out.integer(record.receipt_serial);
    out.fixed(record.receipt);
    out.integer(record.payer);
    out.amount(record.amount);
    out.integer(record.calls);
    out.integer(record.time.value);
    out.text(record.call_id);
    encode_call(out, record.call);
    out.integer(static_cast<std::uint8_t>(record.counters.size()));
    for (const CounterIndex counter : record.counters) {
        out.integer(counter);
    }
}

template <>
Result<FinishedRecord> decode(BytesView data) {
    Decoder in(data);
    FinishedRecord record;
    record.serial = in.integer<HoldSerial>();
    record.goes_on = in.integer<std::uint8_t>() != 0;
    record.receipt_serial = in.integer<std::uint64_t>();
    record.receipt = in.fixed<ReceiptId>();
    record.payer = in.integer<PayerIndex>();
    record.amount = in.amount();
    record.calls = in.integer<std::uint64_t>();
    record.time.value = in.integer<std::uint64_t>();
    record.call_id = in.text();
    record.call = decode_call(in);
    const auto counters = in.integer<std::uint8_t>();
    for (std::uint8_t i = 0; i < counters; ++i) {
        record.counters.push_back(in.integer<CounterIndex>());
    }
    return checked(in, std::move(record));
}

void encode(Encoder& out, const ReleasedRecord& record) {
    out.integer(record.serial);
    out.integer(static_cast<std::uint8_t>(record.reason));
}

template <>
Result<ReleasedRecord> decode(BytesView data) {
    Decoder in(data);
    ReleasedRecord record;
    record.serial = in.integer<HoldSerial>();
    record.reason = static_cast<ReleaseReason>(in.integer<std::uint8_t>());
    return checked(in, record);
}

void encode(Encoder& out, const SentRowRecord& record) {
    out.integer(record.payer);
    encode_spent(out, record.row);
}

template <>
Result<SentRowRecord> decode(BytesView data) {
    Decoder in(data);
    SentRowRecord record;
    record.payer = in.integer<PayerIndex>();
    record.row = decode_spent(in);
    return checked(in, record);
}

void encode(Encoder& out, const VoucherRecord& record) {
    out.integer(record.payer);
    encode_voucher(out, record.voucher);
}

template <>
Result<VoucherRecord> decode(BytesView data) {
    Decoder in(data);
    VoucherRecord record;
    record.payer = in.integer<PayerIndex>();
    record.voucher = decode_voucher(in);
    return checked(in, record);
}

}  // namespace decloud::payments::internal
