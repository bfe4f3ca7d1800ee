#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

namespace decloud::store {

/// Replaces `path` so that after a crash it holds all of the old or all of the new: a temporary
/// beside it, fsync, rename, fsync of the folder. Errors: disk_full, io, permission_denied,
/// not_found (the folder).
[[nodiscard]] Result<void> write_file_atomically(
    const std::filesystem::path& path, BytesView content, mode_t mode = 0600);

/// The whole file. Errors: not_found, limit_exceeded above `max_bytes`, io, permission_denied.
[[nodiscard]] Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Makes the entries of a folder durable.
[[nodiscard]] Result<void> sync_directory(const std::filesystem::path& directory);

}  // namespace decloud::store
