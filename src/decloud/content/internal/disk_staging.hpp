#pragma once

#include "../disk_store.hpp"
#include "descriptor.hpp"
#include "segment_file.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <unordered_map>

namespace decloud::content::internal {

/// Where staged blocks go when they are committed.
class BatchTarget {
  public:
    virtual ~BatchTarget() = default;
    /// Durable and visible on return. On error nothing was added.
    virtual Result<void> append_batch(const SectionBuffer& batch) = 0;
    /// Makes a synced file, which starts with a segment's header, part of the store by renaming it.
    virtual Result<void> adopt_file(
        const std::filesystem::path& path, const std::vector<SectionBuffer::Entry>& entries) = 0;
    /// Error: limit_exceeded if `bytes` more would not be taken.
    [[nodiscard]] virtual Result<void> check_room(std::uint64_t bytes) const = 0;
};

/// Keeps small batches in memory and moves larger ones to a file of their own.
class DiskStagedBlocks final : public StagedBlocks {
  public:
    /// `file` is made when it is needed and removed with this object unless committed.
    DiskStagedBlocks(BatchTarget& target,
        std::filesystem::path file,
        std::uint64_t memory_limit,
        Durability durability);
    ~DiskStagedBlocks() override;
    DiskStagedBlocks(const DiskStagedBlocks&) = delete;
    DiskStagedBlocks& operator=(const DiskStagedBlocks&) = delete;

    Result<void> put_verified(const Cid& cid, BytesView data) override;
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override;
    [[nodiscard]] bool has(const Cid& cid) const override { return places_.contains(cid.hash()); }
    [[nodiscard]] std::uint64_t bytes() const override { return bytes_; }
    Result<void> commit() override;

  private:
    [[nodiscard]] Result<void> spill();
    /// Past the buffer, which is empty.
    [[nodiscard]] Result<void> write_through(const Cid& cid, BytesView data);
    /// Has the disk begin with what was written, now and then.
    void hint();

    BatchTarget& target_;
    std::filesystem::path path_;
    std::uint64_t memory_limit_;
    Durability durability_;
    SectionBuffer buffer_;
    /// Bytes before the buffer, in the file.
    std::uint64_t written_ = 0;
    /// Of these, bytes that the disk was told to begin with.
    std::uint64_t begun_ = 0;
    Descriptor file_;
    std::unordered_map<Multihash, std::size_t> places_;
    std::uint64_t bytes_ = 0;
};

}  // namespace decloud::content::internal
