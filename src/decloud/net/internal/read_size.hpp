#pragma once

#include <algorithm>
#include <cstddef>

namespace decloud::net::internal {

/// How many bytes to have room for at the next read: few on a connection that is idle, more as long
/// as reads fill it. Pure.
class ReadSize {
  public:
    explicit ReadSize(std::size_t most) : most_(most) {}

    [[nodiscard]] std::size_t next() const { return size_; }
    /// So many came of `next()`.
    void got(std::size_t bytes) {
        if (bytes >= size_) {
            size_ = std::min(2 * size_, most_);
        } else if (bytes < size_ / 4) {
            size_ = std::max(size_ / 2, kLeast);
        }
    }

  private:
    static constexpr std::size_t kLeast = 2048;
    std::size_t most_;
    std::size_t size_ = kLeast;
};

}  // namespace decloud::net::internal
