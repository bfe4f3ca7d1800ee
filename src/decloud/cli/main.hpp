#pragma once

#include <span>

namespace decloud::cli {

/// The program's main, after the dispatch of workers. Returns the exit status (`ExitCode`).
[[nodiscard]] int main(std::span<char*> args);

}  // namespace decloud::cli
