#pragma once

#include "../internal/fd.hpp"

#include <decloud/base/result.hpp>

#include <filesystem>

namespace decloud::sandbox::server {

/// A listening Unix socket that has no name any more: whoever holds `address` can connect to it,
/// nobody else can, and nothing of it stays on disk.
struct Listener {
    /// For the program.
    internal::UniqueFd socket;
    /// For `connect_to`.
    internal::UniqueFd address;
};

/// `folder` must exist; only this user may write it. Errors: from errno.
[[nodiscard]] Result<Listener> make_listener(const std::filesystem::path& folder);
/// A connection that does not block. Errors: from errno, as when nobody listens any more.
[[nodiscard]] Result<internal::UniqueFd> connect_to(const internal::UniqueFd& address);

}  // namespace decloud::sandbox::server
