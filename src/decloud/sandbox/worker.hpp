#pragma once

#include <span>
#include <string_view>

namespace decloud::sandbox {

/// True if the program was started as a worker: `argv[1]` is "worker" and fd 3 is its socket.
/// A program that uses `Sandbox` asks first thing in main, before it initialises anything:
/// `if (is_worker(args)) return worker_main(args);`.
[[nodiscard]] bool is_worker(std::span<char*> args);

/// The main of every worker (`worker wasm|compile|unpack|image|launch`): confines itself, then
/// serves the node on fd 3 until that closes. The result is the exit status.
[[nodiscard]] int worker_main(std::span<char*> args);

}  // namespace decloud::sandbox
