#include "confine.hpp"

#include "fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

namespace decloud::sandbox::internal {

AcceptedLayers parse_accepted_layers(std::string_view text) {
    AcceptedLayers layers;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        layers.emplace(text.substr(0, comma));
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
    return layers;
}

namespace {

Result<void> write_text(const char* path, std::string_view text) {
    UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
    if (!file) {
        return fail(errno_error(path));
    }
    return write_all(file.get(), as_bytes(text));
}

Result<void> enter_namespaces() {
    constexpr int kNamespaces =
        CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    const uid_t user = ::geteuid();
    const gid_t group = ::getegid();
    if (user == 0 && ::unshare(kNamespaces) == 0) {
        return {};
    }
    if (::unshare(kNamespaces | CLONE_NEWUSER) != 0) {
        return fail(errno_error("unshare"));
    }
    TRY_VOID(write_text("/proc/self/setgroups", "deny"));
    TRY_VOID(write_text("/proc/self/uid_map", fmt::format("{0} {0} 1", user)));
    return write_text("/proc/self/gid_map", fmt::format("{0} {0} 1", group));
}

Result<UniqueFd> make_root(bool keep_current_folder) {
    if (keep_current_folder) {
        UniqueFd tree(static_cast<int>(
            ::syscall(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
        if (!tree) {
            return fail(errno_error("open_tree"));
        }
        return tree;
    }
    UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
    if (!context ||
        ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "size", "4k", 0) != 0 ||
        ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        return fail(errno_error("tmpfs"));
    }
    UniqueFd tree(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)));
    if (!tree) {
        return fail(errno_error("fsmount"));
    }
    return tree;
}

Result<void> change_root(bool keep_current_folder) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return fail(errno_error("making mounts private"));
    }
    TRY(const UniqueFd tree, make_root(keep_current_folder));
    // Any folder that is always there will do: it is in our mount namespace only.
    constexpr const char* kMountPoint = "/proc";
    if (::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, kMountPoint, MOVE_MOUNT_F_EMPTY_PATH) !=
            0 ||
        ::chdir(kMountPoint) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
        return fail(errno_error("changing the root"));
    }
    return {};
}

Result<void> give_up_user() {
    if (::geteuid() != 0) {
        return {};
    }
    const uid_t user = kWorkerUserBase + static_cast<uid_t>(::getpid());
    if (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 ||
        ::setresuid(user, user, user) != 0) {
        return fail(errno_error("changing the user"));
    }
    return {};
}

/// As many as there may be at most, if that is less.
std::uint64_t open_files_within(std::uint64_t wanted) {
    rlimit limits{};
    return ::getrlimit(RLIMIT_NOFILE, &limits) == 0
               ? std::min<std::uint64_t>(wanted, limits.rlim_max)
               : wanted;
}

Result<void> limit(__rlimit_resource resource, std::uint64_t value) {
    const rlimit limits{.rlim_cur = value, .rlim_max = value};
    if (::setrlimit(resource, &limits) != 0) {
        return fail(errno_error("setrlimit"));
    }
    return {};
}

Result<void> set_limits(const Confinement& wanted) {
    TRY_VOID(limit(RLIMIT_CORE, 0));
    TRY_VOID(limit(RLIMIT_NOFILE, open_files_within(wanted.open_files)));
    TRY_VOID(limit(RLIMIT_MSGQUEUE, 0));
#ifndef DECLOUD_SANITIZE
    // AddressSanitizer's shadow alone is larger than any such limit.
    if (wanted.address_space_bytes > 0) {
        TRY_VOID(limit(RLIMIT_AS, wanted.address_space_bytes));
    }
#endif
    if (wanted.file_bytes > 0) {
        TRY_VOID(limit(RLIMIT_FSIZE, wanted.file_bytes));
    }
    if (wanted.cpu_seconds) {
        TRY_VOID(limit(RLIMIT_CPU, *wanted.cpu_seconds));
    }
    return {};
}

}  // namespace

void drop_capability_bounds() {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Refused without CAP_SETPCAP, when there is nothing that could be regained either.
    ::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED);
    for (int capability = 0; capability < 64; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EINVAL) {
            break;
        }
    }
}

namespace {

/// Of the lower 32 capabilities these stay, permitted and effective.
int set_capabilities(std::uint32_t kept) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    data[0].effective = data[0].permitted = kept;
    return ::syscall(SYS_capset, &header, data.data()) == 0 ? 0 : errno;
}

}  // namespace

int clear_capabilities() { return set_capabilities(0); }

int keep_capability_to_kill() { return set_capabilities(1U << CAP_KILL); }

Result<void> confine(const Confinement& wanted, const AcceptedLayers& accepted) {
    ::umask(077);
    auto contained = enter_namespaces();
    if (contained) {
        contained = change_root(wanted.keep_current_folder);
    }
    if (!contained && !accepted.contains("namespaces")) {
        return fail(CommonError::unavailable, "namespaces: " + contained.error().message());
    }
    // While there is the right to: giving up the user gives that up too.
    drop_capability_bounds();
    if (wanted.change_user) {
        TRY_VOID(give_up_user());
    }
    TRY_VOID(set_limits(wanted));
    if (::prctl(PR_SET_DUMPABLE, 0) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail(errno_error("prctl"));
    }
    if (const int error = clear_capabilities(); error != 0) {
        return fail(errno_error("dropping capabilities", error));
    }
    // A change of user clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto filter = make_seccomp_program(wanted.system_calls);
    if (filter) {
        if (const int error = install_seccomp(*filter); error != 0) {
            filter = fail(errno_error("installing the filter", error));
        }
    }
    if (!filter && !accepted.contains("seccomp")) {
        return fail(CommonError::unavailable, "seccomp: " + filter.error().message());
    }
    return {};
}

}  // namespace decloud::sandbox::internal
