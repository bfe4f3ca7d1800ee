#pragma once

#include "../types.hpp"
#include "engine.hpp"
#include "protocol.hpp"
#include "stdio.hpp"

namespace decloud::sandbox::wasm {

/// Processor time of this thread so far.
[[nodiscard]] std::chrono::microseconds thread_time();
/// Wasmtime's epoch callback that ends a run of the `Stdio` that `data` is, once that says so.
[[nodiscard]] wasmtime_error_t* end_if_stopped(wasmtime_context_t* context,
    void* data,
    std::uint64_t* next,
    wasmtime_update_deadline_kind_t* kind);
/// How a run ended that had to.
[[nodiscard]] Outcome stopped(Stdio::Stop reason);

/// Runs `program` once in a fresh instance, on this thread. The engine's epoch must be ticking.
/// `store` gets what must be destroyed afterwards, when there is time.
[[nodiscard]] Outcome run_program(wasm_engine_t& engine,
    const Program& program,
    const RunRequest& request,
    Stdio& stdio,
    Owned<wasmtime_store_t>& store);

}  // namespace decloud::sandbox::wasm
