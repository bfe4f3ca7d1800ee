#pragma once

#include "records.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace decloud::payments::internal {

/// While many calls come, says in the log that those with the next serials may be answered, so that
/// each of them neither writes that nor waits for it. As many as come while the log writes: more
/// only after calls had to wait. What of it was not used when the process ends is counted as calls
/// that may have been answered. Calls with a key have records of their own.
class ServedAhead {
  public:
    /// Never more than so many serials at a time, each of which a restart may count in vain.
    static constexpr std::uint64_t kMostCalls = 1024;

    /// What to write before the call `serial`, which may cost `held`; none if there is enough
    /// ahead, or too few calls for it. `next`: the first serial that no call has; `running`: calls
    /// in all; `is_durable`: the newest record is on disk.
    [[nodiscard]] std::optional<ServedAheadRecord> wanted(
        HoldSerial serial, HoldSerial next, Amount held, std::size_t running, bool is_durable);
    /// `record` is in the log as `sequence`.
    void written(const ServedAheadRecord& record, std::uint64_t sequence);

    /// The sequence of the record that speaks for `serial` and as much as `held`, if one does.
    [[nodiscard]] std::optional<std::uint64_t> sequence_for(HoldSerial serial, Amount held) const;
    /// Of the newest record, 0 if there is none.
    [[nodiscard]] std::uint64_t newest() const { return ranges_[1].sequence; }
    [[nodiscard]] bool is_open() const { return newest() != 0; }

    /// Nothing is ahead any more; where the log still says so, a record that begins at the next
    /// serial and is empty ends it.
    void stop();

  private:
    struct Range {
        HoldSerial from = 1;
        HoldSerial through = 0;
        Amount each;
        std::uint64_t sequence = 0;
    };

    /// The one before the newest, and the newest.
    std::array<Range, 2> ranges_;
    std::uint64_t calls_ = kFewestCalls;

    static constexpr std::uint64_t kFewestCalls = 64;
    /// A caller or two wait for the disk once each: their own records are exact.
    static constexpr std::size_t kManyRunning = 4;
};

}  // namespace decloud::payments::internal
