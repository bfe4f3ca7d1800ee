#include "package.hpp"

#include <decloud/base/ascii.hpp>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>

namespace decloud::sandbox::internal {

namespace {

struct CloseArchive {
    void operator()(archive* object) const { archive_read_free(object); }
};
using ArchivePointer = std::unique_ptr<archive, CloseArchive>;

std::unexpected<Error> refused(std::string detail) {
    return fail(CommonError::invalid_input, "package: " + std::move(detail));
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// RFC 3629, overlong forms and surrogates excluded.
bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto first = static_cast<unsigned char>(text[0]);
        const std::size_t length = first < 0x80                    ? 1
                                   : first >= 0xC2 && first < 0xE0 ? 2
                                   : first >= 0xE0 && first < 0xF0 ? 3
                                   : first >= 0xF0 && first < 0xF5 ? 4
                                                                   : 0;
        if (length == 0 || text.size() < length ||
            !std::ranges::all_of(text.substr(1, length - 1), is_continuation)) {
            return false;
        }
        const auto second = length > 1 ? static_cast<unsigned char>(text[1]) : 0x80U;
        if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
            (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

/// Refuses names that are used twice, also in another case, and files that are also folders.
class NameRegister {
  public:
    Result<void> add(const PackageEntry& entry) {
        const std::string name = to_lower(entry.path);
        for (std::size_t slash = name.find('/'); slash != std::string::npos;
            slash = name.find('/', slash + 1)) {
            TRY_VOID(add_folder(name.substr(0, slash), entry.path.substr(0, slash)));
        }
        if (entry.directory) {
            return add_folder(name, entry.path);
        }
        if (!names_.emplace(name, Name{.spelling = entry.path, .folder = false}).second) {
            return refused(fmt::format("the name {} is used twice", printable(entry.path)));
        }
        return {};
    }

    static std::string printable(std::string_view path) {
        std::string text;
        for (const char c : path.substr(0, 80)) {
            text += c >= ' ' && c <= '~' ? c : '?';
        }
        return "'" + text + "'";
    }

  private:
    struct Name {
        std::string spelling;
        bool folder = false;
    };
    Result<void> add_folder(const std::string& name, const std::string& spelling) {
        const auto [place, added] =
            names_.emplace(name, Name{.spelling = spelling, .folder = true});
        if (!added && (!place->second.folder || place->second.spelling != spelling)) {
            return refused(fmt::format("the name {} is used twice", printable(spelling)));
        }
        return {};
    }
    std::map<std::string, Name> names_;
};

Result<PackageEntry> parse_entry(archive_entry* raw, const PackageLimits& limits) {
    const char* name = archive_entry_pathname_utf8(raw);
    if (name == nullptr) {
        name = archive_entry_pathname(raw);
    }
    if (name == nullptr) {
        return refused("an entry has no readable name");
    }
    PackageEntry entry{.path = name};
    const auto type = archive_entry_filetype(raw);
    if (archive_entry_hardlink(raw) != nullptr || archive_entry_symlink(raw) != nullptr ||
        (type != AE_IFREG && type != AE_IFDIR)) {
        return refused(
            fmt::format("{} is neither a file nor a folder", NameRegister::printable(entry.path)));
    }
    if (archive_entry_is_encrypted(raw) != 0) {
        return refused(fmt::format("{} is encrypted", NameRegister::printable(entry.path)));
    }
    entry.directory = type == AE_IFDIR;
    entry.executable = (archive_entry_perm(raw) & 0111) != 0;
    if (entry.directory && entry.path.ends_with('/')) {
        entry.path.pop_back();
    }
    if (!is_package_path(entry.path, limits)) {
        return refused(
            fmt::format("the path {} is not allowed", NameRegister::printable(entry.path)));
    }
    return entry;
}

class PackageReading {
  public:
    PackageReading(archive* source,
        const PackageLimits& limits,
        const PackageVisitor& visitor,
        std::uint64_t zip_bytes)
        : source_(source), limits_(limits), visitor_(visitor) {
        most_ = std::min(limits.total_bytes, zip_bytes * limits.ratio);
    }

    Result<void> run() {
        while (true) {
            archive_entry* raw = nullptr;
            const int status = archive_read_next_header(source_, &raw);
            if (status == ARCHIVE_EOF) {
                return {};
            }
            if (status != ARCHIVE_OK) {
                return broken();
            }
            if (++entries_ > limits_.entries) {
                return fail(CommonError::limit_exceeded,
                    fmt::format("package: more than {} entries", limits_.entries));
            }
            TRY(const PackageEntry entry, parse_entry(raw, limits_));
            TRY_VOID(names_.add(entry));
            TRY_VOID(read_entry(entry));
        }
    }

  private:
    Result<void> read_entry(const PackageEntry& entry) {
        TRY(const bool wanted, visitor_.begin(entry));
        while (true) {
            const void* block = nullptr;
            std::size_t size = 0;
            la_int64_t offset = 0;
            const int status = archive_read_data_block(source_, &block, &size, &offset);
            if (status == ARCHIVE_EOF) {
                break;
            }
            if (status != ARCHIVE_OK) {
                return broken();
            }
            total_ += size;
            if (total_ > most_) {
                return fail(CommonError::limit_exceeded,
                    fmt::format("package: unpacks to more than {} bytes", most_));
            }
            if (entry.directory && size > 0) {
                return refused("a folder has content");
            }
            if (wanted && size > 0) {
                TRY_VOID(visitor_.data({static_cast<const std::uint8_t*>(block), size}));
            }
        }
        return wanted ? visitor_.end() : Result<void>{};
    }

    [[nodiscard]] std::unexpected<Error> broken() const {
        const char* text = archive_error_string(source_);
        return refused(
            fmt::format("not a good zip file ({})", text == nullptr ? "no reason given" : text));
    }

    archive* source_;
    const PackageLimits& limits_;
    const PackageVisitor& visitor_;
    NameRegister names_;
    std::uint64_t most_ = 0;
    std::uint64_t total_ = 0;
    std::uint32_t entries_ = 0;
};

}  // namespace

bool is_package_path(std::string_view path, const PackageLimits& limits) {
    if (path.empty() || path.size() > limits.path_bytes || !is_utf8(path) ||
        std::ranges::any_of(
            path, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F || c == '\\'; })) {
        return false;
    }
    std::size_t depth = 0;
    while (true) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (part.empty() || part == "." || part == ".." || ++depth > limits.path_depth) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        path.remove_prefix(slash + 1);
    }
}

Result<void> read_package(
    BytesView zip, const PackageLimits& limits, const PackageVisitor& visitor) {
    const ArchivePointer source(archive_read_new());
    if (!source || archive_read_support_format_zip_seekable(source.get()) != ARCHIVE_OK) {
        return fail(CommonError::unavailable, "libarchive without zip");
    }
    if (archive_read_open_memory(source.get(), zip.data(), zip.size()) != ARCHIVE_OK) {
        return refused("not a zip file");
    }
    return PackageReading(source.get(), limits, visitor, zip.size()).run();
}

Result<Bytes> read_package_file(
    BytesView zip, const PackageLimits& limits, const std::string& path) {
    Bytes content;
    bool found = false;
    const PackageVisitor visitor{
        .begin = [&](const PackageEntry& entry) -> Result<bool> {
            const bool wanted = !entry.directory && entry.path == path;
            found = found || wanted;
            return wanted;
        },
        .data = [&](BytesView data) -> Result<void> {
            append(content, data);
            return {};
        },
        .end = []() -> Result<void> { return {}; },
    };
    TRY_VOID(read_package(zip, limits, visitor));
    if (!found) {
        return refused(fmt::format("there is no file {}", NameRegister::printable(path)));
    }
    return content;
}

}  // namespace decloud::sandbox::internal
