#pragma once

#include "../sandbox.hpp"
#include "host.hpp"

#include <memory>

namespace decloud::sandbox::native {

/// ELF programs, one process tree for each call, started by the host's launcher.
[[nodiscard]] std::unique_ptr<Runtime> make_native_runtime(std::shared_ptr<Host> host);

}  // namespace decloud::sandbox::native
