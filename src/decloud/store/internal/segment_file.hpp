#pragma once

#include "file.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace decloud::store::internal {

/// Memory that starts and ends at whole blocks, as O_DIRECT wants it.
class BlockBuffer {
  public:
    static constexpr std::size_t kBlock = 4096;

    /// Keeps what is there. Grows only.
    void reserve(std::size_t bytes);
    [[nodiscard]] std::uint8_t* data() const { return memory_.get(); }

  private:
    struct Free {
        void operator()(std::uint8_t* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::uint8_t, Free> memory_;
    std::size_t size_ = 0;
};

/// The segment that is being written, from its current end on. Past the page cache where the file
/// system takes that (one request to the disk instead of a copy, a write-back and a sync), through
/// it elsewhere. Not thread safe.
class SegmentFile {
  public:
    SegmentFile() = default;
    /// `file` has `bytes` bytes; what follows `offset` is zeros.
    SegmentFile(File file, std::uint64_t bytes, std::uint64_t offset);

    [[nodiscard]] bool is_open() const { return file_.is_open(); }
    /// True if writes go past the page cache.
    [[nodiscard]] bool is_direct() const { return direct_; }
    /// Writes `data` at the end, which stays where it is until `advance`, so that it can be
    /// repeated. Errors: disk_full, io.
    [[nodiscard]] Result<void> write(BytesView data);
    /// What was written is on disk. Error: io.
    [[nodiscard]] Result<void> sync() const;
    /// The last `bytes` that were written are part of the segment.
    void advance(std::size_t bytes);

  private:
    enum class Direct { written, refused };
    [[nodiscard]] Result<Direct> write_direct(BytesView data);

    File file_;
    std::uint64_t offset_ = 0;
    bool direct_ = false;
    /// From the block that `offset_` lies in.
    BlockBuffer buffer_;
};

/// Writes `bytes` zeros, the first ones replaced by `header`, and syncs. Past the page cache where
/// that can be. Errors: disk_full, io.
[[nodiscard]] Result<void> fill_with_zeros(const File& file, BytesView header, std::uint64_t bytes);

}  // namespace decloud::store::internal
