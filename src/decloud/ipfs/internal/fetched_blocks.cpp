#include "fetched_blocks.hpp"

namespace decloud::ipfs::internal {

namespace {

std::unexpected<Error> read_only() {
    return fail(CommonError::permission_denied, "blocks are only read here");
}

}  // namespace

Result<std::optional<Bytes>> FetchedBlocks::get(const content::Cid& cid) const {
    TRY(auto staged, staged_.get(cid));
    if (staged) {
        return staged;
    }
    TRY(auto held, store_.get(cid));
    if (!held) {
        missing_ = cid;
    }
    return held;
}

Result<bool> FetchedBlocks::has(const content::Cid& cid) const {
    return staged_.has(cid) ? Result<bool>(true) : store_.has(cid);
}

Result<void> FetchedBlocks::put_all(std::span<const content::Block> /*blocks*/) {
    return read_only();
}
Result<void> FetchedBlocks::remove(const content::Cid& /*cid*/) { return read_only(); }
Result<void> FetchedBlocks::refresh(std::span<const content::Cid> /*cids*/) { return read_only(); }
Result<std::unique_ptr<content::StagedBlocks>> FetchedBlocks::stage() { return read_only(); }

}  // namespace decloud::ipfs::internal
