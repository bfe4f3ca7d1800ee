#include "error.hpp"
#include "internal/variables.hpp"
#include "project.hpp"
#include "template_files.hpp"

#include <decloud/store/atomic_file.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

namespace decloud::client {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPlaceholder = "@NAME@";
/// Makes an image of what is installed; for the templates whose build calls it.
constexpr std::string_view kImageMaker = "image.py";

std::string with_name(std::string_view text, std::string_view name) {
    std::string out(text);
    for (std::size_t at = 0; (at = out.find(kPlaceholder, at)) != std::string::npos;
        at += name.size()) {
        out.replace(at, kPlaceholder.size(), name);
    }
    return out;
}

/// Where the templates are, git and npm must not take them for their own.
fs::path name_in_project(std::string_view file) {
    if (file == "gitignore") {
        return ".gitignore";
    }
    return file == "npm-lock.json" ? "package-lock.json" : fs::path(file);
}

Result<void> write_template_file(
    const fs::path& folder, std::string_view file, std::string_view name, std::string_view text) {
    const fs::path target = folder / name_in_project(file);
    std::error_code failed;
    fs::create_directories(target.parent_path(), failed);
    if (failed) {
        return fail(errno_error("make " + target.parent_path().string(), failed.value()));
    }
    return store::write_file_atomically(
        target, as_bytes(with_name(text, name)), text.starts_with("#!") ? 0755 : 0644);
}

/// The files of a template, by their paths within it.
std::vector<std::pair<std::string_view, std::string_view>> files_of(std::string_view kind) {
    std::vector<std::pair<std::string_view, std::string_view>> out;
    bool makes_image = false;
    for (const auto& [path, text] : templates::kFiles) {
        if (path.starts_with(std::string(kind) + "/")) {
            out.emplace_back(path.substr(kind.size() + 1), text);
            makes_image = makes_image || text.find(kImageMaker) != std::string_view::npos;
        }
    }
    for (const auto& file : templates::kFiles) {
        if (makes_image && file.first == kImageMaker) {
            out.push_back(file);
        }
    }
    return out;
}

}  // namespace

std::vector<std::string> project_templates() {
    std::vector<std::string> out;
    for (const auto& file : templates::kFiles) {
        const std::size_t slash = file.first.find('/');
        std::string kind(file.first.substr(0, slash));
        if (slash != std::string_view::npos && std::ranges::find(out, kind) == out.end()) {
            out.push_back(std::move(kind));
        }
    }
    return out;
}

Result<void> create_project(const fs::path& folder, std::string_view name, std::string_view kind) {
    TRY_VOID(internal::check_function_name(name));
    const std::vector<std::string> known = project_templates();
    if (std::ranges::find(known, kind) == known.end()) {
        return fail(ClientError::usage,
            fmt::format("there is no template \"{}\": take {}", kind, fmt::join(known, ", ")));
    }
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) {
        return fail(errno_error("make " + folder.string(), failed.value()));
    }
    if (!fs::is_empty(folder, failed) || failed) {
        return fail(CommonError::already_exists, folder.string() + " is not empty");
    }
    for (const auto& [file, text] : files_of(kind)) {
        TRY_VOID(write_template_file(folder, file, name, text));
    }
    return {};
}

}  // namespace decloud::client
