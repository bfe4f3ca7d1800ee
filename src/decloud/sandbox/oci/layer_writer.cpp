#include "layer_writer.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>

namespace decloud::sandbox::oci {

using internal::UniqueFd;

namespace {

/// Folders that the sandbox fills.
constexpr std::array<std::string_view, 3> kOwnFolders{"dev", "proc", "tmp"};
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr int kMostLinks = 40;
constexpr std::size_t kLinkBytes = 4096;

std::unexpected<Error> refused(std::string detail) {
    return fail(CommonError::invalid_input, "image: " + std::move(detail));
}

bool is_own(const std::vector<std::string>& parts) {
    return !parts.empty() && std::ranges::find(kOwnFolders, parts.front()) != kOwnFolders.end();
}

UniqueFd open_folder_at(int folder, const std::string& name) {
    return UniqueFd(
        ::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// Nothing if it is no link.
std::string read_link(int folder, const std::string& name) {
    std::string target(kLinkBytes, '\0');
    const ssize_t size = ::readlinkat(folder, name.c_str(), target.data(), target.size());
    target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return target;
}

/// The steps of a link's target; "." and ".." among them.
std::vector<std::string> split(std::string_view target) {
    std::vector<std::string> steps;
    while (!target.empty()) {
        const std::size_t slash = target.find('/');
        if (slash != 0) {
            steps.emplace_back(target.substr(0, slash));
        }
        target = slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
    }
    return steps;
}

/// What a folder has, without "." and "..".
Result<std::vector<std::string>> list(int folder) {
    UniqueFd again(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR* stream = again ? ::fdopendir(again.get()) : nullptr;
    if (stream == nullptr) {
        return fail(errno_error("listing a folder"));
    }
    static_cast<void>(again.release());
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name(entry->d_name);
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    ::closedir(stream);
    return names;
}

}  // namespace

std::string LayerWriter::Place::path() const {
    return folder_parts.empty() ? name : fmt::format("{}/{}", fmt::join(folder_parts, "/"), name);
}

Result<LayerWriter> LayerWriter::open(UniqueFd root, ImageLimits limits) {
    for (const std::string_view name : kOwnFolders) {
        if (::mkdirat(root.get(), std::string(name).c_str(), 0755) != 0) {
            return fail(errno_error("making a folder"));
        }
    }
    return LayerWriter(std::move(root), limits);
}

Result<void> LayerWriter::add_layer(ByteSource& source) {
    fresh_.clear();
    TRY(const auto tar, ArchiveReader::open_tar(source));
    TarEntry entry;
    while (true) {
        TRY(const bool more, tar->next(entry));
        if (!more) {
            return {};
        }
        TRY_VOID(count_entry());
        TRY_VOID(add_entry(entry, *tar));
    }
}

Result<void> LayerWriter::count_entry() {
    if (++entries_ > limits_.entries) {
        return fail(
            CommonError::limit_exceeded, fmt::format("image: more than {} files", limits_.entries));
    }
    return {};
}

Result<void> LayerWriter::add_entry(const TarEntry& entry, ByteSource& content) {
    TRY(const Parts parts, split_image_path(entry.path, limits_));
    if (parts.empty() || is_own(parts)) {
        return {};
    }
    TRY(const Place place, find_place(parts, true));
    // Also behind a link that leads there.
    if (is_own(place.folder_parts) || (place.folder_parts.empty() && is_own({place.name}))) {
        return {};
    }
    if (place.name.starts_with(kWhiteout)) {
        return whiteout(place);
    }
    switch (entry.kind) {
        case TarEntry::Kind::folder:
            return make_folder(place);
        case TarEntry::Kind::file:
            return write_file(place, entry.executable, content);
        case TarEntry::Kind::hardlink:
            return make_hardlink(place, entry.target);
        case TarEntry::Kind::symlink:
            TRY_VOID(clear(place));
            if (entry.target.empty() || entry.target.size() >= kLinkBytes ||
                ::symlinkat(entry.target.c_str(), place.folder.get(), place.name.c_str()) != 0) {
                return refused("a symbolic link cannot be made");
            }
            fresh_.insert(place.path());
            return {};
        case TarEntry::Kind::other:
            break;
    }
    return refused("it has a device or something else that is no file, folder or link");
}

Result<void> LayerWriter::whiteout(const Place& place) {
    if (place.name == kOpaque) {
        const std::string path = fmt::format("{}", fmt::join(place.folder_parts, "/"));
        return remove_children(place.folder.get(), path, true, 0);
    }
    const std::string name = place.name.substr(kWhiteout.size());
    if (name.empty() || name == "." || name == "..") {
        return refused("a whiteout has no name");
    }
    Parts parts = place.folder_parts;
    parts.push_back(name);
    if (is_own(parts)) {
        return {};
    }
    return remove(place.folder.get(), name, fmt::format("{}", fmt::join(parts, "/")), true, 0);
}

Result<void> LayerWriter::write_file(const Place& place, bool executable, ByteSource& content) {
    TRY_VOID(clear(place));
    const UniqueFd file(::openat(place.folder.get(), place.name.c_str(),
        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, executable ? 0555 : 0444));
    if (!file) {
        return fail(errno_error("unpacking a file"));
    }
    fresh_.insert(place.path());
    while (true) {
        TRY(const BytesView bytes, content.next_bytes());
        if (bytes.empty()) {
            return {};
        }
        total_ += bytes.size();
        if (total_ > limits_.total_bytes) {
            return fail(CommonError::limit_exceeded,
                fmt::format("image: unpacks to more than {} bytes", limits_.total_bytes));
        }
        TRY_VOID(internal::write_all(file.get(), bytes));
    }
}

Result<void> LayerWriter::make_folder(const Place& place) {
    fresh_.insert(place.path());
    if (open_folder_at(place.folder.get(), place.name)) {
        return {};
    }
    TRY_VOID(clear(place));
    if (::mkdirat(place.folder.get(), place.name.c_str(), 0755) != 0) {
        return fail(errno_error("unpacking a folder"));
    }
    return {};
}

Result<void> LayerWriter::make_hardlink(const Place& place, std::string_view target) {
    TRY(const Parts parts, split_image_path(target, limits_));
    if (parts.empty()) {
        return refused("a hard link leads nowhere");
    }
    TRY(const Place original, find_place(parts, false));
    struct stat about{};
    if (::fstatat(original.folder.get(), original.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
        (!S_ISREG(about.st_mode) && !S_ISLNK(about.st_mode))) {
        return refused("a hard link leads to no file");
    }
    if (original.path() == place.path()) {
        return {};
    }
    TRY_VOID(clear(place));
    if (::linkat(original.folder.get(), original.name.c_str(), place.folder.get(),
            place.name.c_str(), 0) != 0) {
        return fail(errno_error("making a hard link"));
    }
    fresh_.insert(place.path());
    return {};
}

Result<void> LayerWriter::clear(const Place& place) {
    return remove(place.folder.get(), place.name, place.path(), false, 0);
}

Result<void> LayerWriter::remove(
    int folder, const std::string& name, const std::string& path, bool lower_only, int depth) {
    if (depth > static_cast<int>(limits_.path_depth) + 1) {
        return refused("its folders are too deep");
    }
    const bool keep = lower_only && fresh_.contains(path);
    if (const UniqueFd inner = open_folder_at(folder, name)) {
        TRY_VOID(remove_children(inner.get(), path, lower_only, depth + 1));
        // With something of this layer in it, it stays.
        if (!keep && ::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 &&
            !(lower_only && (errno == ENOTEMPTY || errno == EEXIST))) {
            return fail(errno_error("removing a folder"));
        }
        return {};
    }
    if (!keep && ::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) {
        return fail(errno_error("removing a file"));
    }
    return {};
}

Result<void> LayerWriter::remove_children(
    int folder, const std::string& path, bool lower_only, int depth) {
    TRY(const auto names, list(folder));
    for (const std::string& name : names) {
        const std::string inner = path.empty() ? name : fmt::format("{}/{}", path, name);
        if (!(path.empty() && is_own({name}))) {
            TRY_VOID(remove(folder, name, inner, lower_only, depth));
        }
    }
    return {};
}

Result<UniqueFd> LayerWriter::open_folder(Parts& parts, bool make) {
    std::deque<std::string> ahead(parts.begin(), parts.end());
    std::vector<UniqueFd> folders;
    parts.clear();
    int links = 0;
    while (!ahead.empty()) {
        const std::string name = std::move(ahead.front());
        ahead.pop_front();
        if (name == ".." || name == ".") {
            if (name == ".." && !parts.empty()) {
                parts.pop_back();
                folders.pop_back();
            }
            continue;
        }
        if (parts.size() > limits_.path_depth) {
            return refused("a path is too deep");
        }
        const int here = folders.empty() ? root_.get() : folders.back().get();
        UniqueFd next = open_folder_at(here, name);
        if (const std::string target = next ? std::string() : read_link(here, name);
            !target.empty()) {
            if (++links > kMostLinks) {
                return refused("its links go round in a circle");
            }
            if (target.starts_with('/')) {
                parts.clear();
                folders.clear();
            }
            const auto steps = split(target);
            ahead.insert(ahead.begin(), steps.begin(), steps.end());
            continue;
        }
        if (!next && make) {
            TRY_VOID(count_entry());
            if (::mkdirat(here, name.c_str(), 0755) == 0) {
                next = open_folder_at(here, name);
            }
        }
        if (!next) {
            return refused("a path goes through something that is no folder");
        }
        parts.push_back(name);
        folders.push_back(std::move(next));
    }
    if (!folders.empty()) {
        return std::move(folders.back());
    }
    UniqueFd root(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) {
        return fail(errno_error("opening a folder"));
    }
    return root;
}

Result<LayerWriter::Place> LayerWriter::find_place(const Parts& parts, bool make) {
    Place place;
    place.name = parts.back();
    place.folder_parts.assign(parts.begin(), parts.end() - 1);
    TRY(place.folder, open_folder(place.folder_parts, make));
    return place;
}

Result<std::string> LayerWriter::read_file(std::string_view path, std::uint64_t limit) {
    TRY(const Parts parts, split_image_path(path, limits_));
    if (parts.empty()) {
        return std::string();
    }
    const auto place = find_place(parts, false);
    if (!place) {
        return std::string();
    }
    const UniqueFd file(::openat(
        place->folder.get(), place->name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat about{};
    if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
        return std::string();
    }
    TRY(const Bytes content, internal::read_file_descriptor(file.get(), limit));
    return std::string(as_text(content));
}

}  // namespace decloud::sandbox::oci
