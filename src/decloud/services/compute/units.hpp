#pragma once

#include <decloud/protocol/quote.hpp>
#include <decloud/sandbox/types.hpp>

#include <chrono>

namespace decloud::services {

/// The units of compute besides "call": seconds of one processor, and of one GiB of memory that is
/// reserved.
inline constexpr const char* kCpuSecond = "cpu-second";
inline constexpr const char* kGibSecond = "gib-second";

/// `limits` with as much less time as the quote's units ask for; all of it without a quote (null).
[[nodiscard]] sandbox::Limits limits_within(sandbox::Limits limits, const protocol::Quote* quote);

/// The most that a run within `limits` can count.
[[nodiscard]] protocol::UnitCounts most_units(const sandbox::Limits& limits);

/// How a run went, seen from outside.
struct RunTime {
    std::chrono::milliseconds took{};
    /// Its processor time is shared with other calls: all the time that it took counts.
    bool is_server = false;
};

/// What a run has counted; never more than `most_units`.
[[nodiscard]] protocol::UnitThousandths delivered_units(
    const sandbox::Limits& limits, const sandbox::Outcome& outcome, RunTime time);

}  // namespace decloud::services
