#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <string_view>

namespace decloud::cli::internal {

/// A time that a user gives: "30d", "12h", "15m" or "90s" from `now`, "2026-12-31" (its first
/// second) or "2026-12-31T12:00:00Z", both UTC. Error: ClientError::usage.
[[nodiscard]] Result<UnixSeconds> parse_when(std::string_view text, UnixSeconds now);

}  // namespace decloud::cli::internal
