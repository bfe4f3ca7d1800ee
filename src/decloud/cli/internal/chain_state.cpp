#include "chain_state.hpp"

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>

namespace decloud::cli::internal {

namespace fs = std::filesystem;

namespace {

fs::path copy_of(const fs::path& state) { return state.string() + ".whole"; }

std::optional<std::string> read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(file), {});
}

bool is_whole_file(const fs::path& path) {
    const auto text = read(path);
    return text && is_whole_object(*text);
}

bool replace(const fs::path& target, std::string_view text) {
    const fs::path fresh = target.string() + ".new";
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.close();
    std::error_code failed;
    if (file) {
        fs::rename(fresh, target, failed);
    }
    if (!file || failed) {
        fs::remove(fresh, failed);
        return false;
    }
    return true;
}

}  // namespace

bool is_whole_object(std::string_view text) {
    if (!text.starts_with('{')) {
        return false;
    }
    std::size_t open = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            ++open;
        } else if ((c == '}' || c == ']') && --open == 0) {
            return text.find_first_not_of(" \r\n\t", i + 1) == std::string_view::npos;
        }
    }
    return false;
}

void keep_chain_state(const fs::path& state) {
    std::error_code missing;
    const auto written = fs::last_write_time(state, missing);
    if (missing) {
        return;
    }
    const auto kept = fs::last_write_time(copy_of(state), missing);
    if (!missing && kept >= written) {
        return;
    }
    if (const auto text = read(state); text && is_whole_object(*text)) {
        (void)replace(copy_of(state), *text);
    }
}

bool restore_chain_state(const fs::path& state) {
    std::error_code failed;
    if (!fs::exists(state, failed) || is_whole_file(state) || !is_whole_file(copy_of(state))) {
        return false;
    }
    fs::rename(copy_of(state), state, failed);
    return !failed;
}

}  // namespace decloud::cli::internal
