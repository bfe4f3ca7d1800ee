#include "log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <vector>

namespace decloud::log {

namespace {

std::atomic<Level> threshold_level{Level::warning};

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::shared_ptr<spdlog::logger> make_logger(Level threshold, const std::string& path) {
    std::vector<spdlog::sink_ptr> sinks;
    sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (!path.empty()) {
        sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path));
    }
    auto logger = std::make_shared<spdlog::logger>("decloud", sinks.begin(), sinks.end());
    logger->set_level(to_spdlog(threshold));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::info);
    return logger;
}

/// Where lines go. Before `initialise` too never to standard output, which is for answers.
std::atomic<std::shared_ptr<spdlog::logger>>& current_logger() {
    static std::atomic<std::shared_ptr<spdlog::logger>> logger{make_logger(Level::warning, {})};
    return logger;
}

}  // namespace

void initialise(Level threshold, const std::string& path) {
    current_logger() = make_logger(threshold, path);
    threshold_level = threshold;
}

bool enabled(Level level) { return level >= threshold_level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view module, std::string_view text) {
    // A stranger's bytes must not forge a second line.
    std::string line;
    line.reserve(module.size() + text.size() + 2);
    line.append(module).append(": ");
    for (const char c : text) {
        line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    }
    current_logger().load()->log(to_spdlog(level), "{}", line);
}

}  // namespace decloud::log
