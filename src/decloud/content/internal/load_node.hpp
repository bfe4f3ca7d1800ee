#pragma once

#include "../block_store.hpp"

#include <decloud/multiformats/unixfs.hpp>

#include <utility>

namespace decloud::content::internal {

/// A block of a file system; a raw one is given as a file without links. Error: invalid_input
/// naming the cid.
[[nodiscard]] inline Result<multiformats::UnixFsNode> decode_node(const Cid& cid, Bytes data) {
    if (cid.codec() == multiformats::Codec::raw) {
        multiformats::UnixFsNode node;
        node.info.type = multiformats::UnixFsType::raw;
        node.info.file_size = data.size();
        node.info.data = std::move(data);
        return node;
    }
    if (cid.codec() != multiformats::Codec::dag_pb) {
        return fail(
            CommonError::invalid_input, "block " + cid.to_string() + " is not of a file system");
    }
    auto node = multiformats::decode_unixfs_node(data);
    if (!node) {
        return fail(node.error().within("block " + cid.to_string()));
    }
    return node;
}

/// Reads a block of a file system. Errors: not_found, corrupt; as `decode_node`.
[[nodiscard]] inline Result<multiformats::UnixFsNode> load_node(
    const BlockStore& store, const Cid& cid) {
    TRY(Bytes data, require_block(store, cid));
    return decode_node(cid, std::move(data));
}

}  // namespace decloud::content::internal
