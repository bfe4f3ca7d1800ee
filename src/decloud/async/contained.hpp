#pragma once

#include "task.hpp"

namespace decloud::async {

/// `task`, to be handed to co_spawn. Asio awaits once more behind a task that never waited, outside
/// of what catches its exceptions; if the task was cancelled while it ran, that throws into whoever
/// spawned it. Behind this it does not. Rethrows what `task` throws.
[[nodiscard]] Task<void> contained(Task<void> task);

}  // namespace decloud::async
