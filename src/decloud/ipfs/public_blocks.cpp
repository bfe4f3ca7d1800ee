#include "public_blocks.hpp"

#include <utility>

namespace decloud::ipfs {

namespace {

std::unexpected<Error> read_only() {
    return fail(CommonError::permission_denied, "blocks are only read here");
}

}  // namespace

PublicBlocks::PublicBlocks(const content::BlockStore& store, VisibilityRule rule)
    : store_(&store), rule_(std::move(rule)) {}

Result<std::optional<Bytes>> PublicBlocks::get(const content::Cid& cid) const {
    TRY(const Visibility visibility, rule_(cid));
    switch (visibility) {
        case Visibility::hidden:
            return std::nullopt;
        case Visibility::denied:
            return fail(CommonError::permission_denied, cid.to_string() + " is not served here");
        case Visibility::shown:
            break;
    }
    return store_->get(cid);
}

Result<bool> PublicBlocks::has(const content::Cid& cid) const {
    TRY(const Visibility visibility, rule_(cid));
    return visibility == Visibility::shown ? store_->has(cid) : Result<bool>(false);
}

Result<void> PublicBlocks::put_all(std::span<const content::Block> /*blocks*/) {
    return read_only();
}
Result<void> PublicBlocks::remove(const content::Cid& /*cid*/) { return read_only(); }
Result<void> PublicBlocks::refresh(std::span<const content::Cid> /*cids*/) { return read_only(); }
std::uint64_t PublicBlocks::bytes_used() const { return store_->bytes_used(); }
Result<std::unique_ptr<content::StagedBlocks>> PublicBlocks::stage() { return read_only(); }

}  // namespace decloud::ipfs
