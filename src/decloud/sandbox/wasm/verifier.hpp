#pragma once

#include "../types.hpp"
#include "engine.hpp"
#include "stdio.hpp"

#include <cstdint>

namespace decloud::sandbox::wasm {

/// What one run of a verifier may execute: Wasmtime's units, about one for each instruction. The
/// same for everybody, as are memory and tables: the verdict must not depend on who asks.
inline constexpr std::uint64_t kVerifierFuel = 1'000'000'000;
inline constexpr std::uint64_t kVerifierMemory = 64 * 1024 * 1024;

/// An engine in which a module does the same on every machine: fuel, one form of NaN, no threads,
/// no relaxed SIMD. `slots`: as `make_engine`.
[[nodiscard]] Owned<wasm_engine_t> make_verifier_engine(std::uint32_t slots);

/// A verifier that is ready for instances. Thread safe.
class VerifierProgram {
  public:
    /// Error: invalid_input, for people, if the module imports anything or does not export what a
    /// verifier must.
    [[nodiscard]] static Result<VerifierProgram> make(
        wasm_engine_t& engine, Owned<wasmtime_module_t> module);
    /// Wasmtime's own object. Lives as long as this one.
    [[nodiscard]] const wasmtime_instance_pre_t* instance_pre() const { return pre_.get(); }
    [[nodiscard]] const wasmtime_module_t& module() const { return *module_; }

  private:
    VerifierProgram(Owned<wasmtime_module_t> module, Owned<wasmtime_instance_pre_t> pre)
        : module_(std::move(module)), pre_(std::move(pre)) {}
    Owned<wasmtime_module_t> module_;
    Owned<wasmtime_instance_pre_t> pre_;
};

/// Asks `verifier` once, in a fresh instance, on this thread. The input is what
/// `make_verification_input` makes, or empty to ask for `minRequests`; the output is the number
/// that the verifier returned, in decimal. The engine must be ticking. `store` gets what must be
/// destroyed afterwards, when there is time.
[[nodiscard]] Outcome run_verifier(wasm_engine_t& engine,
    const VerifierProgram& verifier,
    Stdio& stdio,
    Owned<wasmtime_store_t>& store);

}  // namespace decloud::sandbox::wasm
