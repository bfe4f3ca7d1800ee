#include "mounts.hpp"

#include "../internal/weak_layers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace decloud::sandbox::native {

using internal::UniqueFd;

namespace {

/// A folder that every host has. It is covered in our own mount namespace only.
constexpr const char* kScratch = "/tmp";
constexpr const char* kRoot = "/tmp/root";
constexpr const char* kDevices = "/tmp/dev";

constexpr std::array<const char*, 5> kDeviceNames{"null", "zero", "full", "random", "urandom"};

struct Link {
    const char* target;
    const char* name;
};
constexpr std::array kLinks{Link{"/proc/self/fd", "fd"}, Link{"/proc/self/fd/0", "stdin"},
    Link{"/proc/self/fd/1", "stdout"}, Link{"/proc/self/fd/2", "stderr"}, Link{"/tmp", "shm"}};

std::unexpected<Error> failed(std::string_view what) { return fail(errno_error(what)); }

Result<UniqueFd> open_tree(const char* path) {
    UniqueFd tree(static_cast<int>(
        ::syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    if (!tree) {
        return failed(fmt::format("open_tree {}", path));
    }
    return tree;
}

Result<void> attach(int mount, const char* path) {
    if (::syscall(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        return failed(fmt::format("move_mount to {}", path));
    }
    return {};
}

Result<UniqueFd> make_proc() {
    UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC)));
    // Only processes: no /proc/sys, no keys, no kernel memory.
    const bool everything = internal::is_left_out("proc");
    if (!context ||
        (!everything &&
            ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "subset", "pid", 0) != 0) ||
        ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        return failed("fresh /proc");
    }
    UniqueFd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)));
    if (!mount) {
        return failed("mounting a fresh /proc");
    }
    return mount;
}

Result<void> fill_devices(const std::array<UniqueFd, kDeviceNames.size()>& devices) {
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const std::string path = fmt::format("{}/{}", kDevices, kDeviceNames[i]);
        const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (!file) {
            return failed(path);
        }
        TRY_VOID(attach(devices[i].get(), path.c_str()));
    }
    for (const Link& link : kLinks) {
        const std::string path = fmt::format("{}/{}", kDevices, link.name);
        if (::symlink(link.target, path.c_str()) != 0) {
            return failed(path);
        }
    }
    constexpr unsigned long kFlags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC;
    if (::mount(nullptr, kDevices, nullptr, kFlags, nullptr) != 0) {
        return failed("making /dev read-only");
    }
    return {};
}

}  // namespace

Result<UniqueFd> clone_read_only(const std::string& path) {
    TRY(UniqueFd tree, open_tree(path.c_str()));
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
            sizeof attributes) != 0) {
        return failed("mount_setattr");
    }
    return tree;
}

Result<UniqueFd> prepare_mounts() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return failed("making mounts private");
    }
    std::array<UniqueFd, kDeviceNames.size()> devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        TRY(devices[i], open_tree(fmt::format("/dev/{}", kDeviceNames[i]).c_str()));
    }
    TRY(UniqueFd proc, make_proc());
    constexpr unsigned long kFlags = MS_NOSUID | MS_NOEXEC;
    if (::mount("tmpfs", kScratch, "tmpfs", kFlags | MS_NODEV, "size=16k,nr_inodes=8,mode=0755") !=
            0 ||
        ::mkdir(kRoot, 0755) != 0 || ::mkdir(kDevices, 0755) != 0 ||
        ::mount("tmpfs", kDevices, "tmpfs", kFlags, "size=16k,nr_inodes=32,mode=0755") != 0) {
        return failed("mounting a scratch tmpfs");
    }
    TRY_VOID(fill_devices(devices));
    return proc;
}

Result<void> enter_root(int package, int proc, std::uint64_t tmp_bytes, std::uint32_t tmp_inodes) {
    TRY_VOID(attach(package, kRoot));
    if (::syscall(SYS_move_mount, AT_FDCWD, kDevices, AT_FDCWD, "/tmp/root/dev", 0) != 0) {
        return failed("moving /dev");
    }
    TRY_VOID(attach(proc, "/tmp/root/proc"));
    const std::string options =
        internal::is_left_out("tmp")
            ? std::string("mode=1777")
            : fmt::format("size={},nr_inodes={},mode=1777", tmp_bytes, tmp_inodes);
    if (::mount("tmpfs", "/tmp/root/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
        return failed("mounting /tmp");
    }
    if (::chdir(kRoot) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
        return failed("changing the root");
    }
    return {};
}

}  // namespace decloud::sandbox::native
