#pragma once

#include "block_store.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/unixfs_builder.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <unordered_set>

namespace decloud::content {

/// Names of multiformats that this module's interfaces use.
using multiformats::UnixFsEntry;
using multiformats::UnixFsProfile;

/// How files become blocks. `hidden_files` and `max_depth` are for `import_path` only.
struct ImportOptions {
    UnixFsProfile profile = UnixFsProfile::v1_2025();
    /// True: adds names that start with a dot, too. IPIP-499 leaves them out.
    bool hidden_files = false;
    std::size_t max_depth = 64;
    /// Told how many bytes have been added so far, after each piece.
    std::function<void(std::uint64_t)> on_progress = {};
    /// `FileImport` hashes on so many threads of its own besides the caller's.
    std::size_t hashing_threads = 0;
    /// Asked by `FileImport` when nothing is visible yet, with the blocks of the file; an error
    /// ends the import.
    std::function<Result<void>(const std::unordered_set<Cid>&)> before_commit = {};
};

/// Adds one file from a stream of chunks. Blocks are durable when `finish` returns; without it
/// nothing is added. Holds a few chunks. Not thread safe. The store must outlive it.
class FileImport {
  public:
    ~FileImport();
    FileImport(FileImport&&) noexcept;
    FileImport& operator=(FileImport&&) noexcept;
    /// Error: the store's.
    [[nodiscard]] static Result<FileImport> begin(BlockStore& store, ImportOptions options = {});

    /// The next bytes of the file, any number. Errors: the store's.
    [[nodiscard]] Result<void> write(BytesView bytes);
    /// Call once.
    [[nodiscard]] Result<UnixFsEntry> finish();
    /// Blocks of the file so far, and their bytes; equal ones once.
    [[nodiscard]] std::uint64_t blocks() const;
    [[nodiscard]] std::uint64_t bytes() const;

  private:
    struct State;
    explicit FileImport(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Adds bytes as a file.
[[nodiscard]] Result<UnixFsEntry> import_bytes(
    BlockStore& store, BytesView bytes, const ImportOptions& options = {});

/// Adds a file, a symbolic link or a folder with all it holds from the disk; nothing is added on
/// error. Errors: not_found, permission_denied; invalid_input for devices, sockets and names that
/// are not UTF-8; limit_exceeded for folders that are too deep.
[[nodiscard]] Result<UnixFsEntry> import_path(
    BlockStore& store, const std::filesystem::path& path, const ImportOptions& options = {});

}  // namespace decloud::content
