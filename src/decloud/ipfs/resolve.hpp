#pragma once

#include <decloud/content/block_store.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace decloud::ipfs {

/// Where a path ends.
struct Resolved {
    content::Cid cid;
    /// Of the root and of every segment that led to another block, in order: X-Ipfs-Roots.
    std::vector<content::Cid> roots;
    /// The blocks that were read on the way, without the one at the end, in order.
    std::vector<content::Cid> passed;
    /// Segments that lead to a value inside the last block.
    std::vector<std::string> remainder;
};

/// Follows names of directories, and keys of DAG-CBOR and DAG-JSON documents up to links. Errors:
/// not_found, corrupt, permission_denied, invalid_input.
[[nodiscard]] Result<Resolved> resolve(const content::BlockStore& store,
    const content::Cid& root,
    std::span<const std::string> segments);

}  // namespace decloud::ipfs
