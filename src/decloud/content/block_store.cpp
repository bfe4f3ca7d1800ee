#include "block_store.hpp"

#include "internal/checked_block.hpp"

namespace decloud::content {

Result<void> StagedBlocks::put(const Cid& cid, BytesView data) {
    TRY_VOID(internal::check_block(cid, data));
    return put_verified(cid, data);
}

Result<void> BlockStore::put(const Cid& cid, BytesView data) {
    const Block block{.cid = cid, .data = to_bytes(data)};
    return put_all({&block, 1});
}

Result<Bytes> require_block(const BlockStore& store, const Cid& cid) {
    TRY(std::optional<Bytes> data, store.get(cid));
    if (!data) {
        return fail(CommonError::not_found, "block " + cid.to_string() + " is not held");
    }
    return std::move(*data);
}

}  // namespace decloud::content
