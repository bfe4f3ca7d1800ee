#pragma once

#include "block_store.hpp"
#include "importer.hpp"

#include <decloud/base/result.hpp>

#include <filesystem>
#include <memory>

namespace decloud::content {

/// A file, symbolic link or folder of the disk as the blocks that it becomes: those that name
/// others are in memory, the bytes of files are read again from where they are when their block is
/// asked for. So content of any size is packed without a copy of it. Thread safe.
class SourceTree {
  public:
    SourceTree() = default;
    SourceTree(const SourceTree&) = delete;
    SourceTree& operator=(const SourceTree&) = delete;
    virtual ~SourceTree() = default;

    [[nodiscard]] virtual const UnixFsEntry& root() const = 0;
    /// `get` has another error, CommonError::conflict naming the path, if a file is no longer what
    /// it was; it does not hash. Lives as long as this.
    [[nodiscard]] virtual const BlockStore& blocks() const = 0;
};

/// Reads all of it once. Errors: as `import_path`.
[[nodiscard]] Result<std::unique_ptr<SourceTree>> read_source_tree(
    const std::filesystem::path& path, const ImportOptions& options = {});

}  // namespace decloud::content
