#include "toml_section.hpp"

#include <algorithm>
#include <cstddef>

namespace decloud::client::internal {

namespace {

struct Range {
    std::size_t begin;
    std::size_t end;
};

std::string_view line_at(std::string_view text, std::size_t at) {
    return text.substr(at, std::min(text.find('\n', at), text.size()) - at);
}

/// From the table's header to the next one; empty at the end if there is none.
Range find_section(std::string_view text, std::string_view name) {
    const std::string header = "[" + std::string(name) + "]";
    Range found{text.size(), text.size()};
    for (std::size_t at = 0; at < text.size(); at += line_at(text, at).size() + 1) {
        const std::string_view line = line_at(text, at);
        if (found.begin < at && line.starts_with('[')) {
            found.end = at;
            break;
        }
        if (line.starts_with(header)) {
            found.begin = at;
        }
    }
    return found;
}

}  // namespace

std::string replace_section(std::string_view text, std::string_view name, std::string_view source) {
    const Range from = find_section(source, name);
    const Range to = find_section(text, name);
    std::string section(source.substr(from.begin, from.end - from.begin));
    while (section.ends_with('\n')) {
        section.pop_back();
    }
    std::string out(text.substr(0, to.begin));
    if (!out.empty() && !out.ends_with('\n')) {
        out += '\n';
    }
    if (to.begin == text.size() && !out.empty()) {
        out += '\n';
    }
    out += section + "\n";
    if (to.end < text.size()) {
        out += "\n";
        out += text.substr(to.end);
    }
    return out;
}

}  // namespace decloud::client::internal
