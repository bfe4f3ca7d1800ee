#pragma once

#include "../sandbox.hpp"

#include <memory>
#include <string>
#include <vector>

namespace decloud::sandbox::native {

/// ELF programs, one process tree for each call, started by the launcher. `settings` and `pool`
/// outlive it.
[[nodiscard]] std::unique_ptr<Runtime> make_native_runtime(
    async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool);

}  // namespace decloud::sandbox::native
