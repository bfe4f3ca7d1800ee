#include "importer.hpp"

#include "internal/descriptor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

namespace decloud::content {

namespace {

namespace fs = std::filesystem;
using internal::Descriptor;
using multiformats::BlockSink;
using multiformats::DirectoryBuilder;
using multiformats::FileBuilder;

constexpr std::size_t kReadSize = std::size_t{1} << 20U;

BlockSink sink_into(StagedBlocks& staged) {
    return [&staged](const Cid& cid, BytesView data) { return staged.put(cid, data); };
}

/// Adds what is at a path to a batch.
class PathImport {
  public:
    PathImport(StagedBlocks& staged, const ImportOptions& options)
        : options_(options), sink_(sink_into(staged)) {}

    Result<UnixFsEntry> add(const fs::path& path, std::size_t depth) {
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
        return fail(
            CommonError::invalid_input, path.string() + " is no file, folder or symbolic link");
    }

  private:
    Result<UnixFsEntry> add_file(const fs::path& path) {
        // Not followed and not waited for, should it have become something else since.
        TRY(const Descriptor file, Descriptor::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        FileBuilder builder(options_.profile, sink_);
        for (std::uint64_t offset = 0;;) {
            auto piece = file.read_at(offset, kReadSize);
            if (!piece) {
                return fail(piece.error().within(path.string()));
            }
            if (piece->empty()) {
                return builder.finish();
            }
            TRY_VOID(builder.write(*piece));
            offset += piece->size();
            total_ += piece->size();
            if (options_.on_progress) {
                options_.on_progress(total_);
            }
        }
    }

    Result<UnixFsEntry> add_folder(const fs::path& path, std::size_t depth) {
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

    const ImportOptions& options_;
    BlockSink sink_;
    std::uint64_t total_ = 0;
};

}  // namespace

FileImport::FileImport(std::unique_ptr<StagedBlocks> staged, ImportOptions options)
    : options_(std::move(options)),
      staged_(std::move(staged)),
      builder_(std::make_unique<FileBuilder>(options_.profile, sink_into(*staged_))) {}

Result<FileImport> FileImport::begin(BlockStore& store, ImportOptions options) {
    TRY(std::unique_ptr<StagedBlocks> staged, store.stage());
    return FileImport(std::move(staged), std::move(options));
}

Result<void> FileImport::write(BytesView bytes) {
    TRY_VOID(builder_->write(bytes));
    total_ += bytes.size();
    if (options_.on_progress) {
        options_.on_progress(total_);
    }
    return {};
}

Result<UnixFsEntry> FileImport::finish() {
    TRY(UnixFsEntry entry, builder_->finish());
    TRY_VOID(staged_->commit());
    return entry;
}

Result<UnixFsEntry> import_bytes(BlockStore& store, BytesView bytes, const ImportOptions& options) {
    TRY(FileImport file, FileImport::begin(store, options));
    TRY_VOID(file.write(bytes));
    return file.finish();
}

Result<UnixFsEntry> import_path(
    BlockStore& store, const fs::path& path, const ImportOptions& options) {
    TRY(const std::unique_ptr<StagedBlocks> staged, store.stage());
    TRY(UnixFsEntry entry, PathImport(*staged, options).add(path, 0));
    TRY_VOID(staged->commit());
    return entry;
}

}  // namespace decloud::content
