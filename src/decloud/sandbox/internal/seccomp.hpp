#pragma once

#include <decloud/base/result.hpp>

#include <linux/filter.h>

#include <vector>

namespace decloud::sandbox::internal {

/// Allow-lists of system calls. Each kills the process when it calls through a foreign
/// architecture's entry (int 0x80, x32); what is not on the list gets an error.
enum class SystemCalls {
    /// Our own code with the WASM engine and its threads; no new descriptors but memory, pipes and
    /// pairs of connected Unix sockets.
    wasm,
    /// Our own code that compiles or unpacks and ends.
    one_shot,
    /// The same with links and listing folders.
    image,
    /// An arbitrary native program without network.
    native,
    /// The same with TCP sockets of IPv4, for one whose sandbox has a way out.
    native_with_tcp,
};

using SeccompProgram = std::vector<sock_filter>;

/// The kernel's form of a list. Error: unavailable.
[[nodiscard]] Result<SeccompProgram> make_seccomp_program(SystemCalls list);
/// Installs it for the calling process, for good; PR_SET_NO_NEW_PRIVS must be set. Only system
/// calls: fit for a child after fork. 0 or errno.
[[nodiscard]] int install_seccomp(const SeccompProgram& program);

}  // namespace decloud::sandbox::internal
