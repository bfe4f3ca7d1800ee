#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <fcntl.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace decloud::store::internal {

/// A file descriptor that closes itself.
class File {
  public:
    File() = default;
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    File& operator=(File&& other) noexcept;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File();

    /// With O_CLOEXEC.
    [[nodiscard]] static Result<File> open(
        const std::filesystem::path& path, int flags, mode_t mode = 0600);

    [[nodiscard]] int get() const { return descriptor_; }
    [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

    [[nodiscard]] Result<void> write_at(BytesView data, std::uint64_t offset) const;
    /// fdatasync.
    [[nodiscard]] Result<void> sync_data() const;

  private:
    int descriptor_ = -1;
};

/// As errno_error, with EFBIG (a limit on file size) taken for a full disk too.
[[nodiscard]] Error write_error(std::string_view what, int number);

}  // namespace decloud::store::internal
