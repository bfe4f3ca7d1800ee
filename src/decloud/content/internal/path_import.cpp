#include "path_import.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

namespace decloud::content::internal {

namespace {

namespace fs = std::filesystem;
using multiformats::DirectoryBuilder;
using multiformats::FileBuilder;

constexpr std::size_t kReadSize = std::size_t{1} << 20U;

}  // namespace

Result<UnixFsEntry> PathImport::add(const fs::path& path, std::size_t depth) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail(errno_error("read " + path.string()));
    }
    if (S_ISREG(status.st_mode)) {
        return add_file(path);
    }
    if (S_ISDIR(status.st_mode)) {
        return add_folder(path, depth);
    }
    if (S_ISLNK(status.st_mode)) {
        std::error_code error;
        const fs::path target = fs::read_symlink(path, error);
        if (error) {
            return fail(errno_error("read " + path.string(), error.value()));
        }
        return multiformats::build_symlink(options_.profile, target.string(), sink_);
    }
    return fail(CommonError::invalid_input, path.string() + " is no file, folder or symbolic link");
}

Result<UnixFsEntry> PathImport::add_file(const fs::path& path) {
    // Not followed and not waited for, should it have become something else since.
    TRY(const Descriptor file, Descriptor::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    FileBuilder builder(options_.profile, file_sink_(path, file));
    buffer_.resize(kReadSize);
    for (std::uint64_t offset = 0;;) {
        const auto count = file.read_some(offset, buffer_);
        if (!count) {
            return fail(Error(count.error()).within(path.string()));
        }
        if (*count == 0) {
            return builder.finish();
        }
        TRY_VOID(builder.write(BytesView(buffer_).first(*count)));
        offset += *count;
        total_ += *count;
        if (options_.on_progress) {
            options_.on_progress(total_);
        }
    }
}

Result<UnixFsEntry> PathImport::add_folder(const fs::path& path, std::size_t depth) {
    if (depth >= options_.max_depth) {
        return fail(CommonError::limit_exceeded,
            fmt::format("{} is more than {} folders deep", path.string(), options_.max_depth));
    }
    DirectoryBuilder builder(options_.profile, sink_);
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end;
        entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (!options_.hidden_files && name.starts_with('.')) {
            continue;
        }
        TRY(UnixFsEntry child, add(entry->path(), depth + 1));
        TRY_VOID(builder.add(name, std::move(child)));
    }
    if (error) {
        return fail(errno_error("list " + path.string(), error.value()));
    }
    return builder.finish();
}

}  // namespace decloud::content::internal
