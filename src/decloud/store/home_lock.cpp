#include "home_lock.hpp"

#include "error.hpp"

#include <decloud/base/bytes.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>
#include <utility>

namespace decloud::store {

namespace {

constexpr std::chrono::milliseconds kPoll{20};

std::string holder(int descriptor) {
    std::array<char, 32> text{};
    const ssize_t count = ::pread(descriptor, text.data(), text.size(), 0);
    std::string pid(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    while (!pid.empty() && (pid.back() < '0' || pid.back() > '9')) {
        pid.pop_back();
    }
    return pid.empty() ? "unknown" : pid;
}

Result<void> take(int descriptor, const std::filesystem::path& path) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return fail(StoreError::in_use,
                path.parent_path().string() + " is held by process " + holder(descriptor));
        }
        return fail(errno_error("lock " + path.string()));
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(descriptor, 0) != 0 ||
        ::pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return fail(errno_error("write " + path.string()));
    }
    return {};
}

}  // namespace

Result<HomeLock> HomeLock::acquire(const std::filesystem::path& home) {
    std::error_code failed;
    if (std::filesystem::create_directories(home, failed)) {
        std::filesystem::permissions(home, std::filesystem::perms::owner_all, failed);
    }
    if (failed) {
        return fail(errno_error("make " + home.string(), failed.value()));
    }
    const auto path = home / "lock";
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) {
        return fail(errno_error("open " + path.string()));
    }
    HomeLock lock(descriptor);
    TRY_VOID(take(descriptor, path));
    return lock;
}

Result<HomeLock> HomeLock::acquire(
    const std::filesystem::path& home, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto lock = acquire(home);
        if (lock || lock.error() != make_error_code(StoreError::in_use) ||
            std::chrono::steady_clock::now() >= end) {
            return lock;
        }
        std::this_thread::sleep_for(kPoll);
    }
}

HomeLock::HomeLock(HomeLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

HomeLock& HomeLock::operator=(HomeLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

HomeLock::~HomeLock() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

}  // namespace decloud::store
