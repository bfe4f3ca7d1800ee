#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace decloud::net {

/// A raw byte stream in both directions. Single threaded. One read and one write may be pending at
/// a time. The destructor closes it; a pending call then ends with `connection_closed`.
class Stream {
  public:
    virtual ~Stream() = default;
    /// At least one byte, or 0 when the peer has ended its direction. `buffer` lives until the
    /// task ends. Errors: connection_closed.
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) = 0;
    /// All of `bytes`, which live until the task ends. Waits while the peer does not read.
    /// Errors: connection_closed.
    [[nodiscard]] virtual async::Task<Result<void>> write(BytesView bytes) = 0;
    /// Ends our direction; the peer reads an end.
    virtual void shutdown_write() = 0;
    /// Closes both directions at once.
    virtual void close() = 0;
};

}  // namespace decloud::net
