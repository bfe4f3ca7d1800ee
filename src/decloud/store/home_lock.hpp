#pragma once

#include <decloud/base/result.hpp>

#include <chrono>
#include <filesystem>

namespace decloud::store {

/// Exclusive use of a home by one process: an flock on "<home>/lock", which the kernel gives up
/// with the process. Held as long as the object lives.
class HomeLock {
  public:
    /// Makes the home (0700) if it is missing. Error: StoreError::in_use with the holder's process
    /// id.
    [[nodiscard]] static Result<HomeLock> acquire(const std::filesystem::path& home);
    /// Waits for another process for so long; blocks. For work of milliseconds.
    [[nodiscard]] static Result<HomeLock> acquire(
        const std::filesystem::path& home, std::chrono::milliseconds patience);
    HomeLock(HomeLock&& other) noexcept;
    HomeLock& operator=(HomeLock&& other) noexcept;
    HomeLock(const HomeLock&) = delete;
    HomeLock& operator=(const HomeLock&) = delete;
    ~HomeLock();

  private:
    explicit HomeLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

}  // namespace decloud::store
