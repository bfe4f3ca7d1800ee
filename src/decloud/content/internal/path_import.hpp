#pragma once

#include "../importer.hpp"
#include "descriptor.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace decloud::content::internal {

using multiformats::BlockSink;

/// Turns what is at a path into blocks.
class PathImport {
  public:
    /// Where the blocks of one file go.
    using FileSink = std::function<BlockSink(const std::filesystem::path&, const Descriptor&)>;

    /// `sink` takes the blocks of folders and links. All that is given outlives this.
    PathImport(const ImportOptions& options, BlockSink sink, FileSink file_sink)
        : options_(options), sink_(std::move(sink)), file_sink_(std::move(file_sink)) {}

    /// Errors: as `import_path`.
    [[nodiscard]] Result<UnixFsEntry> add(const std::filesystem::path& path, std::size_t depth = 0);

  private:
    [[nodiscard]] Result<UnixFsEntry> add_file(const std::filesystem::path& path);
    [[nodiscard]] Result<UnixFsEntry> add_folder(
        const std::filesystem::path& path, std::size_t depth);

    const ImportOptions& options_;
    BlockSink sink_;
    FileSink file_sink_;
    std::uint64_t total_ = 0;
    /// Made once: to clear it costs more than to read a small file.
    Bytes buffer_;
};

}  // namespace decloud::content::internal
