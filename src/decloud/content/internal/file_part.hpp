#pragma once

#include <decloud/base/result.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/multiformats/unixfs.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace decloud::content::internal {

/// A block of a file that is still to be read, and which bytes of the file are under it.
struct FilePart {
    multiformats::Cid cid;
    std::uint64_t offset = 0;
    /// Nothing for a root, of which it is not known yet.
    std::optional<std::uint64_t> size;
    std::size_t depth = 0;
};

/// Names the block. Code: invalid_input.
[[nodiscard]] Error bad_node(const multiformats::Cid& cid, std::string_view problem);
[[nodiscard]] bool is_file(const multiformats::UnixFsNode& node);

/// Adds the parts below `part`, whose block `node` is, to `pending`, of which the last is the next
/// in the file's order. Error: invalid_input if it is no part of that size of a file, or too deep.
[[nodiscard]] Result<void> open_file_part(
    const FilePart& part, const multiformats::UnixFsNode& node, std::vector<FilePart>& pending);

}  // namespace decloud::content::internal
