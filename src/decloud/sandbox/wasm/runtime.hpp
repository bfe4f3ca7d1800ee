#pragma once

#include "../sandbox.hpp"

#include <memory>

namespace decloud::sandbox::wasm {

/// WASI preview 1 commands and wasi:http components: compiled once in a confined process, run in a
/// fresh instance each time in a worker process of their owner. `settings` and `pool` outlive it.
[[nodiscard]] std::unique_ptr<Runtime> make_wasm_runtime(
    async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool);

/// Verifiers: modules that judge answers and can do nothing else, the same on every machine. Run by
/// `sandbox::Verifier`; they answer no requests. As above otherwise.
[[nodiscard]] std::unique_ptr<Runtime> make_verifier_runtime(
    async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool);

}  // namespace decloud::sandbox::wasm
