#pragma once

#include "../internal/confine.hpp"

#include <decloud/base/bytes.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace decloud::sandbox::wasm {

/// What compiling one package may use: processor time, bytes of memory, bytes once unpacked.
struct CompileLimits {
    std::uint64_t unpacked_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::chrono::seconds cpu{60};
};

/// What a package's programs are for: to answer calls, or to judge answers.
enum class Purpose : std::uint8_t { functions, verifiers };

/// The job of `worker compile`, sent with the package in sealed memory.
[[nodiscard]] Bytes make_compile_request(
    Purpose purpose, const std::string& entry, const CompileLimits& limits);

/// Confines itself, takes the entry out of the package, compiles it, checks that it can be run, and
/// answers with the compiled code in memory.
[[nodiscard]] int compile_worker_main(int socket, const internal::AcceptedLayers& accepted);

}  // namespace decloud::sandbox::wasm
