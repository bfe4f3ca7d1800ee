#pragma once

#include "body_stream.hpp"

#include <decloud/content/block_store.hpp>
#include <decloud/content/list_budget.hpp>
#include <decloud/content/reader.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::ipfs {

/// A tree as a tar file (POSIX ustar with pax headers where those are needed), a piece at a time.
/// Directories are walked beforehand, so that a tree whose names leave it is refused as a whole.
/// The store outlives it.
class TarStream final : public BodyStream {
  public:
    /// `root` is what the top entry is called. Errors: invalid_input for a name that leads out of
    /// the tree; limit_exceeded above 100,000 entries or shards, a depth of 64, a path of 4096
    /// bytes, or 16 MiB of paths; else as the readers.
    [[nodiscard]] static Result<std::unique_ptr<TarStream>> open(
        const content::BlockStore& store, const content::Cid& cid, std::string root);

    /// Errors: not_found, corrupt: what was sent is then incomplete.
    [[nodiscard]] Result<Bytes> next() override;

  private:
    struct Entry {
        std::string path;
        content::Cid cid;
        content::NodeKind kind = content::NodeKind::file;
    };

    explicit TarStream(const content::BlockStore& store) : store_(&store) {}
    [[nodiscard]] Result<void> walk(const content::Cid& cid, std::string path, std::size_t depth);
    [[nodiscard]] Result<Bytes> begin_entry(const Entry& entry);

    const content::BlockStore* store_;
    std::string root_;
    std::vector<Entry> entries_;
    /// Of the whole walk.
    content::ListBudget budget_;
    std::uint64_t path_bytes_ = 0;
    std::size_t next_entry_ = 0;
    std::optional<content::FileReader> file_;
    std::uint64_t left_ = 0;
    std::size_t padding_ = 0;
    bool ended_ = false;
};

}  // namespace decloud::ipfs
