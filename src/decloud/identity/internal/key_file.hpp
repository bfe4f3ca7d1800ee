#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/secret.hpp>

#include <filesystem>

namespace decloud::identity::internal {

/// Makes `folder` (and those above it) with mode 0700. Errors: unsafe_permissions if it is a link,
/// of another user or open to others; io.
[[nodiscard]] Result<void> make_private_folder(const std::filesystem::path& folder);

/// The whole of a file that only we can read, at most 64 KiB. Errors: not_found,
/// unsafe_permissions, limit_exceeded, io.
[[nodiscard]] Result<crypto::Secret> read_private_file(const std::filesystem::path& path);

/// Writes beside, syncs and renames, so that the file is either whole or not there. Never
/// overwrites. Errors: already_exists, disk_full, io.
[[nodiscard]] Result<void> create_private_file(
    const std::filesystem::path& path, BytesView content);

/// The same over a file that is there, whose old content is then overwritten; a disk that writes
/// elsewhere than it is told may keep it all the same. Errors: not_found, disk_full, io.
[[nodiscard]] Result<void> replace_private_file(
    const std::filesystem::path& path, BytesView content);

}  // namespace decloud::identity::internal
