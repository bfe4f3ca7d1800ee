#include "finished_codec.hpp"

#include <decloud/store/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace decloud::payments::internal {
namespace {

FinishedRecord some_record() {
    FinishedRecord record;
    record.serial = 70'000;
    record.receipt_serial = 69'000;
    record.receipt.bytes.fill(7);
    record.payer = 3;
    record.amount = Amount(1'000);
    record.calls = 1;
    record.time = UnixSeconds{1'795'230'000};
    record.call_id = "call";
    record.call.service = "compute";
    record.call.subject = "bafkreidwy5jkhajjnmslbwnq4lglzggej5ntzu6owjln2kmk3z4zcqjfjq";
    record.call.request_digest.bytes.fill(1);
    record.call.response_digest.bytes.fill(2);
    record.call.status = 200;
    record.call.response_bytes = 6;
    record.call.duration = std::chrono::microseconds(840);
    record.counters = {0, 300};
    return record;
}

/// Both in the form that has every field.
void expect_equal(const FinishedRecord& left, const FinishedRecord& right) {
    Encoder a;
    Encoder b;
    encode(a, left);
    encode(b, right);
    EXPECT_TRUE(std::ranges::equal(a.view(), b.view()));
}

void expect_round_trip(const FinishedRecord& record, const FinishedRecord* previous) {
    Encoder out;
    encode_short(out, record, previous);
    const auto read = decode_short(out.view(), previous);
    ASSERT_TRUE(read) << read.error().message();
    expect_equal(*read, record);
    EXPECT_EQ(read->call.interval, record.call.interval) << "is not in the earlier format";
}

TEST(FinishedCodec, KeepsEveryFieldAloneAndBesideAnother) {
    const FinishedRecord first = some_record();
    expect_round_trip(first, nullptr);
    expect_round_trip(first, &first);
    FinishedRecord other = first;
    other.goes_on = true;
    other.serial = std::numeric_limits<std::uint64_t>::max();
    other.receipt_serial = 0;
    other.receipt.bytes.fill(9);
    other.payer = std::numeric_limits<PayerIndex>::max();
    other.amount = Amount(~Uint128{0});
    other.calls = 2;
    other.time.value += 1;
    other.call_id.clear();
    other.call = {};
    other.call.interval = std::numeric_limits<std::uint32_t>::max();
    other.counters.clear();
    expect_round_trip(other, nullptr);
    expect_round_trip(other, &first);
    expect_round_trip(first, &other);
}

TEST(FinishedCodec, ACallLikeTheOneBeforeTakesUnderFortyBytes) {
    const FinishedRecord first = some_record();
    FinishedRecord next = first;
    ++next.serial;
    ++next.receipt_serial;
    next.receipt.bytes.fill(8);
    next.call.duration = std::chrono::microseconds(911);
    Encoder out;
    encode_short(out, next, &first);
    EXPECT_LT(out.view().size(), 40U);
}

TEST(FinishedCodec, RefusesWhatIsCutOrTooLongOrRefersToNothing) {
    const FinishedRecord first = some_record();
    Encoder out;
    encode_short(out, first, nullptr);
    for (std::size_t size = 0; size < out.view().size(); ++size) {
        EXPECT_EQ(decode_short(out.view().first(size), nullptr).error(),
            make_error_code(StoreError::damaged));
    }
    Bytes longer = to_bytes(out.view());
    longer.push_back(0);
    EXPECT_EQ(decode_short(longer, nullptr).error(), make_error_code(StoreError::damaged));
    Encoder beside;
    encode_short(beside, first, &first);
    EXPECT_EQ(decode_short(beside.view(), nullptr).error(), make_error_code(StoreError::damaged));
    Bytes unknown = to_bytes(out.view());
    unknown[1] |= 0x80U;
    EXPECT_EQ(decode_short(unknown, nullptr).error(), make_error_code(StoreError::damaged));
}

}  // namespace
}  // namespace decloud::payments::internal
