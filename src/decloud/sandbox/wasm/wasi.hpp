#pragma once

#include "engine.hpp"
#include "stdio.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <array>
#include <cstdint>
#include <optional>

namespace decloud::sandbox::wasm {

/// What `wasi_snapshot_preview1` shows one run: environment, clocks, random numbers and stdio. No
/// arguments, no files, no network. A store's data points to it.
struct WasiState {
    /// What a descriptor is to the program. Closing and renumbering move these about.
    enum class Stream : std::uint8_t { closed, input, output, error };

    Stdio* stdio = nullptr;
    /// "NAME=VALUE\0" one after the other.
    BytesView environment;
    std::uint32_t environment_count = 0;
    std::array<Stream, 3> descriptors{Stream::input, Stream::output, Stream::error};
    /// Set by proc_exit, which then traps.
    std::optional<int> exit_code;
    /// The instance's memory, once it is known.
    std::optional<wasmtime_memory_t> memory;
};

/// Adds all functions of WASI preview 1 to `linker`. Each expects a `WasiState` in the store.
[[nodiscard]] Result<void> define_wasi(wasmtime_linker_t& linker);

}  // namespace decloud::sandbox::wasm
