#pragma once

#include "../internal/confine.hpp"

#include <cstdint>

namespace decloud::sandbox::wasm {

/// `worker wasm`: one owner's programs. Confines itself, says `ready`, then runs what comes on
/// `socket`, up to `runs` at the same time, until the node goes away.
[[nodiscard]] int run_worker_main(
    int socket, const internal::AcceptedLayers& accepted, std::uint32_t runs);

}  // namespace decloud::sandbox::wasm
