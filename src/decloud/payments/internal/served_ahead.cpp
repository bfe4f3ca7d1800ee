#include "served_ahead.hpp"

#include <algorithm>

namespace decloud::payments::internal {

std::optional<ServedAheadRecord> ServedAhead::wanted(
    HoldSerial serial, HoldSerial next, Amount held, std::size_t running, bool is_durable) {
    const Range& newest = ranges_[1];
    if (!is_open()) {
        if (running < kManyRunning) {
            return std::nullopt;
        }
        // Not of those that have begun: another record may speak for them.
        return ServedAheadRecord{next, next + calls_ - 1, held};
    }
    const bool is_enough = serial + calls_ / 2 <= newest.through;
    if (is_enough && held <= newest.each) {
        return std::nullopt;
    }
    if (!is_durable) {
        // One record on its way at a time; those that come before it is there wait.
        if (serial > newest.through) {
            calls_ = std::min(2 * calls_, kMostCalls / 2);
        }
        return std::nullopt;
    }
    const HoldSerial from = std::max(serial, newest.through + 1);
    return ServedAheadRecord{from, from + calls_ - 1, std::max(held, newest.each)};
}

void ServedAhead::written(const ServedAheadRecord& record, std::uint64_t sequence) {
    ranges_[0] = ranges_[1];
    ranges_[1] = {record.from, record.through, record.each, sequence};
}

std::optional<std::uint64_t> ServedAhead::sequence_for(HoldSerial serial, Amount held) const {
    for (const Range& range : ranges_) {
        if (serial >= range.from && serial <= range.through && held <= range.each) {
            return range.sequence;
        }
    }
    return std::nullopt;
}

void ServedAhead::stop() {
    ranges_ = {};
    calls_ = kFewestCalls;
}

}  // namespace decloud::payments::internal
