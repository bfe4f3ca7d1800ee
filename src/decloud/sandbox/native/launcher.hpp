#pragma once

#include "../internal/confine.hpp"

#include <cstdint>

namespace decloud::sandbox::native {

/// `worker launch`: makes sandboxes for native programs and watches over their limits. Small,
/// without any key, and the parent of all sandboxes: they die with it. Keeps `spares` of them
/// ready, so that a call pays for starting the program only. Ends, and takes its cgroups away, when
/// `socket` closes.
[[nodiscard]] int launcher_main(
    int socket, const internal::AcceptedLayers& accepted, std::uint32_t spares);

}  // namespace decloud::sandbox::native
