#pragma once

#include "block_store.hpp"

#include <unordered_set>
#include <utility>
#include <vector>

namespace decloud::content {

/// Reads and verifies everything under a root, a bounded step at a time, and counts it as added
/// now, so that no collection of garbage takes it before it is pinned. Not thread safe; the store
/// outlives it.
class TreeReview {
  public:
    TreeReview(BlockStore& store, Cid root) : store_(&store) {
        pending_.emplace_back(std::move(root), 0);
    }

    /// Looks at some hundred blocks. False when all is done. Blocks on the disk. Errors: not_found
    /// or corrupt, naming the block; limit_exceeded for a tree that is too deep; the store's.
    [[nodiscard]] Result<bool> step();

    /// Of what was looked at so far; a block that is there several times counts once.
    [[nodiscard]] std::uint64_t blocks() const { return visited_.size(); }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    BlockStore* store_;
    std::vector<std::pair<Cid, std::size_t>> pending_;
    std::unordered_set<Cid> visited_;
    std::uint64_t bytes_ = 0;
};

}  // namespace decloud::content
