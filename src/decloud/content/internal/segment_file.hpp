#pragma once

#include "../disk_store.hpp"
#include "descriptor.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/cid.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace decloud::content::internal {

using multiformats::Cid;
using multiformats::Multihash;

/// Where a block's bytes are.
struct Location {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    friend bool operator==(const Location&, const Location&) = default;
};

/// Sections of a CAR that are going to be appended, and where each block's bytes are in them.
struct SectionBuffer {
    struct Entry {
        Multihash hash;
        /// Start of the section and of the block's bytes in it.
        std::uint64_t section = 0;
        std::uint64_t data = 0;
        std::uint64_t size = 0;
        [[nodiscard]] std::uint64_t end() const { return data + size; }
    };
    Bytes bytes;
    std::vector<Entry> entries;

    void add(const Cid& cid, BytesView data);
};

/// A section as it was found in a file.
struct Frame {
    Cid cid;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t end = 0;
    /// The bytes hash to the cid.
    bool intact = false;
};

/// One append-only file in CARv1 framing. Reading is thread safe; the rest is its owner's.
class SegmentFile {
  public:
    /// Creates it with its header; durable with its folder's sync. Errors: disk_full, io.
    [[nodiscard]] static Result<std::shared_ptr<SegmentFile>> create(
        const std::filesystem::path& path, Durability durability);
    /// A file without a whole header is given one. Error: StoreError::damaged for another header.
    [[nodiscard]] static Result<std::shared_ptr<SegmentFile>> open(
        const std::filesystem::path& path, Durability durability);
    [[nodiscard]] static std::uint64_t header_size();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// Appends and syncs, the latter if it is durable. On error the file is as before, unless
    /// `poisoned`.
    [[nodiscard]] Result<void> append(BytesView sections);
    /// A sync or an undo failed: what the file holds beyond `size` is not known.
    [[nodiscard]] bool poisoned() const { return poisoned_; }
    [[nodiscard]] Result<void> truncate(std::uint64_t size);
    [[nodiscard]] Result<Bytes> read(std::uint64_t offset, std::uint64_t size) const;
    /// Another number once somebody else has written to the file, as far as its time of change
    /// tells; nothing while that cannot be told, as right after any write: the clock of that time
    /// stands still for a few milliseconds.
    [[nodiscard]] std::optional<std::uint64_t> generation() const;

    /// Visits sections from `from` on until one is malformed or cut short. The view ends with the
    /// call.
    [[nodiscard]] Result<void> scan(std::uint64_t from,
        const std::function<Result<void>(const Frame&, BytesView)>& visit) const;

  private:
    SegmentFile(
        std::filesystem::path path, Descriptor file, std::uint64_t size, Durability durability)
        : path_(std::move(path)), file_(std::move(file)), size_(size), durability_(durability) {}

    std::filesystem::path path_;
    Descriptor file_;
    [[nodiscard]] Result<void> write_and_sync(BytesView sections);
    /// Around a write of our own.
    void begin_write();
    void end_write();

    std::uint64_t size_;
    Durability durability_;
    bool poisoned_ = false;

    mutable std::mutex stamp_mutex_;
    mutable std::uint64_t generation_ = 0;
    /// The file's time of change, in nanoseconds, when it was looked at last.
    mutable std::int64_t stamp_ = 0;
    bool writing_ = false;
};

}  // namespace decloud::content::internal
