#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace decloud::log {

/// `error`: an operator must act. `warning`: something an operator should know. `info`: what
/// happened. `debug`: for people who change the code; off by default.
enum class Level { debug, info, warning, error };

/// Where lines go: standard error, and in `path` too if it is not empty. Until it is called:
/// warnings and errors to standard error.
void initialise(Level threshold, const std::string& path);
/// True if lines of `level` are written: at or above `initialise`'s threshold (before: warning).
[[nodiscard]] bool enabled(Level level);
/// One line with the time, the level and the module that speaks. Never pass a secret.
void write(Level level, std::string_view module, std::string_view text);

/// Writes a line of level debug; formats (fmt syntax) only if the level is enabled.
template <class... Args>
void debug(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::debug)) {
        write(Level::debug, module, fmt::format(format, std::forward<Args>(args)...));
    }
}
/// The same with level info.
template <class... Args>
void info(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::info)) {
        write(Level::info, module, fmt::format(format, std::forward<Args>(args)...));
    }
}
/// The same with level warning.
template <class... Args>
void warning(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::warning)) {
        write(Level::warning, module, fmt::format(format, std::forward<Args>(args)...));
    }
}
/// The same with level error.
template <class... Args>
void error(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::error)) {
        write(Level::error, module, fmt::format(format, std::forward<Args>(args)...));
    }
}

}  // namespace decloud::log
