#pragma once

#include "reader.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace decloud::content {

/// What several listings may cost together: each takes off what it has used.
struct ListBudget {
    std::size_t entries = 1'000'000;
    /// Blocks that are read below a sharded directory.
    std::size_t shards = 1'000'000;
    /// Of all names.
    std::uint64_t name_bytes = std::uint64_t{1} << 40U;
};

/// As `list_directory`; limit_exceeded when `budget` is used up.
[[nodiscard]] Result<std::vector<DirectoryEntry>> list_within(
    const BlockStore& store, const Cid& cid, ListBudget& budget);

}  // namespace decloud::content
