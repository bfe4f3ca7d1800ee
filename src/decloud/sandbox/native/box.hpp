#pragma once

#include "../internal/fd.hpp"
#include "../internal/seccomp.hpp"
#include "protocol.hpp"

#include <cstdint>

namespace decloud::sandbox::native {

/// What the first process of a sandbox gets from the launcher.
struct BoxSettings {
    /// A SOCK_SEQPACKET to the launcher.
    int control = -1;
    /// Empty: the operator accepted to be without.
    const internal::SeccompProgram* seccomp = nullptr;
    /// The same for a program with a way out.
    const internal::SeccompProgram* seccomp_with_tcp = nullptr;
    /// No cgroup limits memory and processes: resource limits must do, as well as they can.
    bool use_resource_limits = false;
    /// The sandbox has one user only.
    bool one_user = false;
};

/// The first process of a sandbox, after clone3 with its namespaces: waits until the launcher has
/// set its user map and groups (one byte on `control`), builds the root, says `prepared`, and lets
/// a child become the program. When that ends it reports and ends too, and the kernel kills
/// whatever is left.
[[noreturn]] void box_main(const BoxSettings& settings);

/// Start of the program, in the child. Does not return.
[[noreturn]] void run_boxed(const BoxSettings& settings, int proc_mount);

}  // namespace decloud::sandbox::native
