#include "escrow_records.hpp"

#include "codec.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/store/error.hpp>

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace decloud::payments::internal {

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kMaxMarks = 16;
constexpr std::size_t kRecentMarks = 8;
constexpr std::string_view kCursorKey = "escrow/cursor";
constexpr std::string_view kOpenedPrefix = "escrow/opened/";
constexpr std::string_view kTrialPrefix = "escrow/trial-end/";

struct Cursor {
    Address escrow;
    Address provider;
    std::vector<BlockMark> marks;
};

std::unexpected<Error> damaged(std::string_view key) {
    return fail(StoreError::damaged, fmt::format("records, {}", key));
}

Result<void> check_format(Decoder& in, std::string_view key) {
    const auto format = in.integer<std::uint8_t>();
    if (format > kFormat) {
        return fail(StoreError::newer_format,
            fmt::format("records, {}: format {}, this decloud knows {}", key, format, kFormat));
    }
    return format == kFormat ? Result<void>{} : damaged(key);
}

Bytes encode_cursor(const Cursor& cursor) {
    Encoder out;
    out.integer(kFormat);
    out.fixed(cursor.escrow);
    out.fixed(cursor.provider);
    out.integer(static_cast<std::uint32_t>(cursor.marks.size()));
    for (const BlockMark& mark : cursor.marks) {
        out.integer(mark.number);
        out.fixed(mark.hash);
    }
    return to_bytes(out.view());
}

Result<Cursor> decode_cursor(BytesView data) {
    Decoder in(data);
    TRY_VOID(check_format(in, kCursorKey));
    Cursor cursor;
    cursor.escrow = in.fixed<Address>();
    cursor.provider = in.fixed<Address>();
    const auto count = in.integer<std::uint32_t>();
    if (count > kMaxMarks) {
        return damaged(kCursorKey);
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto number = in.integer<std::uint64_t>();
        const auto hash = in.fixed<Bytes32>();
        if (!cursor.marks.empty() && number <= cursor.marks.back().number) {
            return damaged(kCursorKey);
        }
        cursor.marks.push_back({number, hash});
    }
    return in.done() ? Result<Cursor>(std::move(cursor)) : damaged(kCursorKey);
}

Bytes encode_time(UnixSeconds time) {
    Encoder out;
    out.integer(kFormat);
    out.integer(time.value);
    return to_bytes(out.view());
}

Result<UnixSeconds> decode_time(BytesView data, std::string_view key) {
    Decoder in(data);
    TRY_VOID(check_format(in, key));
    const UnixSeconds time{in.integer<std::uint64_t>()};
    return in.done() ? Result<UnixSeconds>(time) : damaged(key);
}

/// `Key` from the hexadecimal text after `prefix`.
template <class Key, class Parse>
Result<std::unordered_map<Key, UnixSeconds>> load_times(
    const store::RecordStore& records, std::string_view prefix, Parse parse) {
    std::unordered_map<Key, UnixSeconds> out;
    TRY(const auto all, records.list(prefix));
    for (const auto& [name, value] : all) {
        const Result<Key> key = parse(std::string_view(name).substr(prefix.size()));
        if (!key) {
            return damaged(name);
        }
        TRY(const UnixSeconds time, decode_time(value, name));
        out.emplace(*key, time);
    }
    return out;
}

/// What belongs to another escrow says nothing about this one.
Result<void> forget_all(store::RecordStore& records) {
    for (const std::string_view prefix : {kOpenedPrefix, kTrialPrefix}) {
        TRY(const auto all, records.list(prefix));
        for (const auto& [key, value] : all) {
            TRY_VOID(records.remove(key));
        }
    }
    return records.remove(kCursorKey);
}

Result<EscrowRecords::Loaded> load_all(
    store::RecordStore& records, const Address& escrow, const Address& provider) {
    EscrowRecords::Loaded out;
    Cursor cursor;
    TRY(const std::optional<Bytes> stored, records.get(kCursorKey));
    if (stored) {
        TRY(cursor, decode_cursor(*stored));
    }
    if (!stored || cursor.escrow != escrow || cursor.provider != provider) {
        TRY_VOID(forget_all(records));
        return out;
    }
    out.marks = std::move(cursor.marks);
    TRY(out.opened, load_times<Bytes32>(records, kOpenedPrefix,
                        [](std::string_view text) { return parse_bytes32(text); }));
    TRY(out.trial_ends, load_times<Address>(records, kTrialPrefix,
                            [](std::string_view text) { return parse_address(text); }));
    return out;
}

}  // namespace

EscrowRecords::EscrowRecords(
    store::RecordStore& records, boost::asio::thread_pool& pool, Address escrow, Address provider)
    : records_(records), pool_(pool), escrow_(escrow), provider_(provider) {}

async::Task<Result<EscrowRecords::Loaded>> EscrowRecords::load() {
    return async::offload(pool_, [this] { return load_all(records_, escrow_, provider_); });
}

async::Task<Result<void>> EscrowRecords::save_marks(std::vector<BlockMark> marks) {
    return put(std::string(kCursorKey), encode_cursor({escrow_, provider_, std::move(marks)}));
}

async::Task<Result<void>> EscrowRecords::save_opened(Bytes32 channel, UnixSeconds opened) {
    return put(std::string(kOpenedPrefix) + to_string(channel), encode_time(opened));
}

async::Task<Result<void>> EscrowRecords::save_trial_end(Address user, UnixSeconds end) {
    return put(std::string(kTrialPrefix) + to_string(user), encode_time(end));
}

async::Task<Result<void>> EscrowRecords::put(std::string key, Bytes value) {
    return async::offload(pool_, [this, key = std::move(key), value = std::move(value)] {
        return records_.put(key, value);
    });
}

void add_mark(std::vector<BlockMark>& marks, BlockMark mark) {
    if (!marks.empty() && marks.back().number >= mark.number) {
        return;
    }
    marks.push_back(mark);
    if (marks.size() <= kMaxMarks) {
        return;
    }
    std::vector<BlockMark> kept;
    const std::size_t older = marks.size() - kRecentMarks;
    for (std::size_t i = 0; i < marks.size(); ++i) {
        if (i >= older || i % 2 == 0) {
            kept.push_back(marks[i]);
        }
    }
    marks = std::move(kept);
}

}  // namespace decloud::payments::internal
