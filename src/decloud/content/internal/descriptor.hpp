#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

namespace decloud::content::internal {

/// An open file. Closes it on destruction.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    /// Close-on-exec is added. Errors: not_found, already_exists, permission_denied, disk_full, io.
    [[nodiscard]] static Result<Descriptor> open(
        const std::filesystem::path& path, int flags, mode_t mode = 0600);
    [[nodiscard]] int number() const { return number_; }

    /// All of `bytes` at `offset`. Errors: disk_full, io.
    [[nodiscard]] Result<void> write_at(BytesView bytes, std::uint64_t offset) const;
    /// Up to `size` bytes; fewer only at the end of the file. Error: io.
    [[nodiscard]] Result<Bytes> read_at(std::uint64_t offset, std::size_t size) const;
    /// What one read gives; 0 at the end of the file. Error: io.
    [[nodiscard]] Result<std::size_t> read_some(
        std::uint64_t offset, std::span<std::uint8_t> target) const;
    [[nodiscard]] Result<std::uint64_t> size() const;
    [[nodiscard]] Result<void> truncate(std::uint64_t size) const;
    /// Has the disk begin with these bytes, so that a later `sync` waits for less. Only a hint.
    void begin_writing(std::uint64_t offset, std::uint64_t size) const;
    /// fdatasync.
    [[nodiscard]] Result<void> sync() const;

  private:
    int number_ = -1;
};

}  // namespace decloud::content::internal
