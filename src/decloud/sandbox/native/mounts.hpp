#pragma once

#include "../internal/fd.hpp"

#include <decloud/base/result.hpp>

#include <cstdint>
#include <string>

namespace decloud::sandbox::native {

/// A copy of the mount of `path`, read-only, without set-user-id programs and devices. Not
/// attached.
[[nodiscard]] Result<internal::UniqueFd> clone_read_only(const std::string& path);

/// The parts of a sandbox's root that do not depend on the program, made beforehand in its own
/// mount namespace: a scratch tmpfs, a fresh read-only /dev. Returns a fresh /proc, not attached.
[[nodiscard]] Result<internal::UniqueFd> prepare_mounts();

/// Puts the root together around `package` and changes into it. Nothing of the host remains.
[[nodiscard]] Result<void> enter_root(
    int package, int proc, std::uint64_t tmp_bytes, std::uint32_t tmp_inodes);

}  // namespace decloud::sandbox::native
