#pragma once

#include "block_store.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/unixfs.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::content {

namespace internal {
struct FilePart;
}

/// Deepest chain of blocks that is followed.
inline constexpr std::size_t kMaxBlockDepth = 64;

/// What a UnixFS node is for whoever walks the tree; sharded directories are directories.
enum class NodeKind : std::uint8_t { file, directory, symlink };

/// What `stat_node` found.
struct NodeInfo {
    NodeKind kind = NodeKind::file;
    /// Bytes of a file; 0 for others.
    std::uint64_t size = 0;
};

/// What `cid` is. Errors: not_found, corrupt, invalid_input for a block that is not a file
/// system's.
[[nodiscard]] Result<NodeInfo> stat_node(const BlockStore& store, const Cid& cid);

/// Reads a file block by block. Not thread safe; the store must outlive it.
class FileReader {
  public:
    /// Errors: not_found, corrupt naming the cid; invalid_input if it is not a file.
    [[nodiscard]] static Result<FileReader> open(const BlockStore& store, const Cid& cid);
    FileReader(FileReader&&) noexcept;
    FileReader& operator=(FileReader&&) noexcept;
    ~FileReader();

    /// Bytes of the whole file.
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// The next bytes go on from here. Beyond the end means the end.
    void seek(std::uint64_t offset);
    /// The next piece, at most one block; empty at the end. Errors as `open`.
    [[nodiscard]] Result<Bytes> next();

  private:
    FileReader(const BlockStore& store, Cid root, std::uint64_t size);

    const BlockStore* store_;
    Cid root_;
    std::uint64_t size_;
    std::uint64_t offset_ = 0;
    std::vector<internal::FilePart> pending_;
};

/// A whole file. Error: limit_exceeded if it is larger than `max_bytes`; else as `FileReader`.
[[nodiscard]] Result<Bytes> read_file(
    const BlockStore& store, const Cid& cid, std::uint64_t max_bytes);

/// One name in a directory. `tsize` is what its writer says; not verified.
struct DirectoryEntry {
    std::string name;
    Cid cid;
    std::uint64_t tsize = 0;
};

/// The entries, sorted by name, of a plain or sharded directory. Errors: limit_exceeded above
/// `max_entries`, not_found, corrupt, invalid_input.
[[nodiscard]] Result<std::vector<DirectoryEntry>> list_directory(
    const BlockStore& store, const Cid& cid, std::size_t max_entries = 1'000'000);

/// One entry, reading only the shards on its way; these, without `directory` itself, are added to
/// `shards`. Error: not_found.
[[nodiscard]] Result<Cid> find_entry(const BlockStore& store,
    const Cid& directory,
    std::string_view name,
    std::vector<Cid>* shards = nullptr);

/// Walks "/a/b" down from `root`; empty segments are ignored, ".." is refused. Errors: not_found,
/// invalid_input.
[[nodiscard]] Result<Cid> resolve_path(
    const BlockStore& store, const Cid& root, std::string_view path);

/// The target of a symbolic link, as it was stored. Errors: not_found, corrupt, invalid_input if
/// it is not one.
[[nodiscard]] Result<std::string> read_symlink(const BlockStore& store, const Cid& cid);

/// How much `export_tree` writes; beyond it limit_exceeded.
struct ExportLimits {
    std::uint64_t max_bytes = std::uint64_t{1} << 50U;
    std::uint64_t max_entries = 1'000'000;
    std::size_t max_depth = 64;
};

/// Writes a file, symbolic link or tree to `target`, which must not exist. Names that could leave
/// the folder or that no file system takes are refused before anything of their folder is written;
/// nothing is written through a symbolic link of the tree. On error what was written stays. Errors:
/// already_exists, invalid_input, limit_exceeded, not_found, corrupt, io.
[[nodiscard]] Result<void> export_tree(const BlockStore& store,
    const Cid& root,
    const std::filesystem::path& target,
    ExportLimits limits = {});

}  // namespace decloud::content
