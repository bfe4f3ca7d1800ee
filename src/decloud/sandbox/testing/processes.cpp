#include "processes.hpp"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace decloud::sandbox::testing {

namespace {

/// Of /proc/PID/stat.
struct Status {
    std::string name;
    pid_t parent = 0;
    std::uint64_t ticks = 0;
};

Status read_status(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t open = text.find('(');
    const std::size_t close = text.rfind(')');
    if (close == std::string::npos) {
        return {};
    }
    Status status;
    status.name = text.substr(open + 1, close - open - 1);
    std::istringstream rest(text.substr(close + 1));
    std::string skipped;
    rest >> skipped >> status.parent;
    for (int field = 5; field <= 13; ++field) {
        rest >> skipped;
    }
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    rest >> user >> system;
    status.ticks = user + system;
    return status;
}

bool descends(pid_t process) {
    while (process > 1 && process != ::getpid()) {
        process = read_status(process).parent;
    }
    return process == ::getpid();
}

}  // namespace

pid_t find_descendant(std::string_view name) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string text = entry.path().filename();
        pid_t process = 0;
        std::from_chars(text.data(), text.data() + text.size(), process);
        if (process > 0 && read_status(process).name == name && descends(process)) {
            return process;
        }
    }
    return 0;
}

std::uint64_t processor_ticks(pid_t process) { return read_status(process).ticks; }

}  // namespace decloud::sandbox::testing
