#pragma once

#include <decloud/base/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace decloud::crypto {

/// Bytes that must not leak: in pages of their own that are locked (best effort: RLIMIT_MEMLOCK),
/// kept out of core dumps and of forked children, and wiped before they are given back. Move only;
/// there is no formatter and no stream operator on purpose.
class Secret {
  public:
    Secret() = default;
    /// `size` zero bytes. Throws std::bad_alloc if there is no memory.
    explicit Secret(std::size_t size);
    /// Copies `bytes`; the caller wipes its own copy.
    explicit Secret(BytesView bytes);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    /// `size` bytes from the kernel's generator.
    [[nodiscard]] static Secret random(std::size_t size);

    /// Valid until this object is destroyed, moved from or assigned to.
    [[nodiscard]] BytesView view() const { return {data_, size_}; }
    /// The same, to be filled in place.
    [[nodiscard]] std::span<std::uint8_t> writable() { return {data_, size_}; }
    /// In bytes; an object that was moved from is empty.
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

  private:
    void release() noexcept;

    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t mapped_ = 0;
};

/// Overwrites in a way that the optimiser keeps.
void wipe(std::span<std::uint8_t> bytes);

}  // namespace decloud::crypto
