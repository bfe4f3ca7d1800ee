#pragma once

#include "guest_memory.hpp"
#include "stdio.hpp"

#include <cstdint>
#include <functional>

namespace decloud::sandbox::wasm {

/// poll_oneoff's arguments: addresses in the program's memory.
struct PollArguments {
    std::uint32_t subscriptions = 0;
    std::uint32_t events = 0;
    std::uint32_t count = 0;
    std::uint32_t result = 0;
};

/// poll_oneoff on clocks and stdio. `is_open(descriptor, for_input)` tells what may be polled.
/// Never sleeps past the run's deadline: `stdio.stop()` is then set.
[[nodiscard]] Errno poll_subscriptions(Stdio& stdio,
    GuestMemory memory,
    PollArguments arguments,
    const std::function<bool(std::uint32_t, bool)>& is_open);

}  // namespace decloud::sandbox::wasm
