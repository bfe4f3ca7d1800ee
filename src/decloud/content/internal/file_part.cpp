#include "file_part.hpp"

#include "../reader.hpp"

#include <fmt/format.h>

namespace decloud::content::internal {

using multiformats::Cid;
using multiformats::UnixFsNode;
using multiformats::UnixFsType;

Error bad_node(const Cid& cid, std::string_view problem) {
    return {make_error_code(CommonError::invalid_input),
        fmt::format("block {}: {}", cid.to_string(), problem)};
}

bool is_file(const UnixFsNode& node) {
    return node.info.type == UnixFsType::file || node.info.type == UnixFsType::raw;
}

Result<void> open_file_part(
    const FilePart& part, const UnixFsNode& node, std::vector<FilePart>& pending) {
    if (part.depth > kMaxBlockDepth) {
        return fail(bad_node(part.cid, "a file that is too deep"));
    }
    if (!is_file(node)) {
        return fail(bad_node(part.cid, part.depth == 0 ? "not a file" : "not a part of a file"));
    }
    const std::uint64_t size = node.info.file_size.value_or(0);
    if (part.size && node.info.file_size != part.size) {
        return fail(bad_node(part.cid, "not of the size that is due"));
    }
    std::uint64_t end = part.offset + size;
    for (std::size_t i = node.links.size(); i-- > 0;) {
        end -= node.info.block_sizes[i];
        pending.push_back({.cid = node.links[i].cid,
            .offset = end,
            .size = node.info.block_sizes[i],
            .depth = part.depth + 1});
    }
    return {};
}

}  // namespace decloud::content::internal
