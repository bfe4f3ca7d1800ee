#pragma once

#include "seccomp.hpp"

#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace decloud::sandbox::internal {

/// Layers that an operator may accept to be without (`SandboxSettings::accept_missing`).
using AcceptedLayers = std::set<std::string, std::less<>>;
[[nodiscard]] AcceptedLayers parse_accepted_layers(std::string_view comma_separated);

/// Host user ids that belong to nobody: one for each process, so that none can signal another.
inline constexpr uid_t kWorkerUserBase = 2'000'000'000;

struct Confinement {
    /// The only folder that remains visible (the current one), writable; else an empty one.
    bool keep_current_folder = false;
    /// Gives up the user id too (as root). Not for who has to make files of the node's.
    bool change_user = true;
    std::uint64_t address_space_bytes = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t open_files = 256;
    std::optional<std::uint64_t> cpu_seconds = std::nullopt;
    SystemCalls system_calls = SystemCalls::wasm;
};

/// Takes everything from the calling (single-threaded) process that it does not need: network,
/// mounts, files, IPC, capabilities, privileges, system calls. For good. Error: unavailable, names
/// the layer that this machine does not give and that is not in `accepted`.
[[nodiscard]] Result<void> confine(const Confinement& wanted, const AcceptedLayers& accepted);

/// Drops what a later exec could regain. Only system calls.
void drop_capability_bounds();
/// Drops every capability; for good if the bounds were dropped. Only system calls. 0 or errno.
[[nodiscard]] int clear_capabilities();
/// Drops every capability but CAP_KILL, which no exec keeps. Only system calls. 0 or errno.
[[nodiscard]] int keep_capability_to_kill();

}  // namespace decloud::sandbox::internal
