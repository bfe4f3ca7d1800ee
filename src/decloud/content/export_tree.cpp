#include "internal/descriptor.hpp"
#include "reader.hpp"

#include <decloud/multiformats/unixfs_builder.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace decloud::content {

namespace {

namespace fs = std::filesystem;
using internal::Descriptor;

/// Writes a tree below open folders, so that no symbolic link, of the tree or of somebody else's,
/// is followed.
class TreeExport {
  public:
    TreeExport(const BlockStore& store, const ExportLimits& limits)
        : store_(store), limits_(limits) {}

    Result<void> write(
        const Cid& cid, const Descriptor& folder, const std::string& name, std::size_t depth) {
        TRY(const NodeInfo info, stat_node(store_, cid));
        if (++entries_ > limits_.max_entries || depth > limits_.max_depth) {
            return fail(CommonError::limit_exceeded, "a tree of too many entries or too deep");
        }
        switch (info.kind) {
            case NodeKind::file:
                return write_file(cid, folder, name);
            case NodeKind::directory:
                return write_directory(cid, folder, name, depth);
            case NodeKind::symlink:
                return write_symlink(cid, folder, name);
        }
        return {};
    }

  private:
    Result<void> write_file(const Cid& cid, const Descriptor& folder, const std::string& name) {
        TRY(FileReader reader, FileReader::open(store_, cid));
        if (reader.size() > limits_.max_bytes - bytes_) {
            return fail(CommonError::limit_exceeded,
                fmt::format("a tree of more than {} bytes", limits_.max_bytes));
        }
        bytes_ += reader.size();
        constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        const Descriptor file(::openat(folder.number(), name.c_str(), kFlags, 0644));
        if (file.number() < 0) {
            return fail(errno_error("create " + name));
        }
        for (std::uint64_t offset = 0;;) {
            TRY(const Bytes piece, reader.next());
            if (piece.empty()) {
                return {};
            }
            TRY_VOID(file.write_at(piece, offset));
            offset += piece.size();
        }
    }

    Result<void> write_directory(
        const Cid& cid, const Descriptor& parent, const std::string& name, std::size_t depth) {
        TRY(const std::vector<DirectoryEntry> entries,
            list_directory(store_, cid, limits_.max_entries - entries_));
        for (const DirectoryEntry& entry : entries) {
            TRY_VOID(multiformats::check_entry_name(entry.name));
        }
        if (::mkdirat(parent.number(), name.c_str(), 0755) != 0) {
            return fail(errno_error("create " + name));
        }
        constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        const Descriptor folder(::openat(parent.number(), name.c_str(), kFlags));
        if (folder.number() < 0) {
            return fail(errno_error("open " + name));
        }
        for (const DirectoryEntry& entry : entries) {
            TRY_VOID(write(entry.cid, folder, entry.name, depth + 1));
        }
        return {};
    }

    Result<void> write_symlink(const Cid& cid, const Descriptor& folder, const std::string& name) {
        TRY(const std::string target, read_symlink(store_, cid));
        if (target.empty() || target.find('\0') != std::string::npos) {
            return fail(CommonError::invalid_input, "a symbolic link without a target");
        }
        if (::symlinkat(target.c_str(), folder.number(), name.c_str()) != 0) {
            return fail(errno_error("create " + name));
        }
        return {};
    }

    const BlockStore& store_;
    const ExportLimits& limits_;
    std::uint64_t bytes_ = 0;
    std::uint64_t entries_ = 0;
};

}  // namespace

Result<void> export_tree(
    const BlockStore& store, const Cid& root, const fs::path& target, ExportLimits limits) {
    const fs::path path = fs::absolute(target).lexically_normal();
    const fs::path parent =
        path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
    const fs::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
    if (name.empty()) {
        return fail(CommonError::already_exists, target.string());
    }
    TRY(const Descriptor folder, Descriptor::open(parent, O_RDONLY | O_DIRECTORY));
    return TreeExport(store, limits).write(root, folder, name.string(), 0);
}

}  // namespace decloud::content
