#include <decloud/multiformats/unixfs.hpp>

#include <algorithm>
#include <cstdlib>

using decloud::BytesView;
using decloud::multiformats::decode_unixfs;
using decloud::multiformats::decode_unixfs_node;
using decloud::multiformats::encode_unixfs;
using decloud::multiformats::UnixFsType;

namespace {

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input(data, size);
    if (const auto decoded = decode_unixfs(input)) {
        check(decode_unixfs(encode_unixfs(*decoded)) == *decoded);
    }
    if (const auto node = decode_unixfs_node(input)) {
        if (node->info.type == UnixFsType::file) {
            check(node->links.size() == node->info.block_sizes.size());
            check(node->info.file_size.has_value());
        }
        if (node->info.type == UnixFsType::hamt_shard) {
            check(node->links.size() <= node->info.fanout);
            check(std::ranges::all_of(
                node->links, [](const auto& link) { return link.name.has_value(); }));
        }
    }
    return 0;
}
