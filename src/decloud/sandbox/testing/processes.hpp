#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace decloud::sandbox::testing {

/// A process of that name (at most 15 characters of it) that this one started, directly or not, as
/// the host sees it; 0 if there is none.
[[nodiscard]] pid_t find_descendant(std::string_view name);
/// Processor time that all threads of a process have used, in clock ticks; 0 if there is none.
[[nodiscard]] std::uint64_t processor_ticks(pid_t process);

}  // namespace decloud::sandbox::testing
