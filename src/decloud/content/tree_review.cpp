#include "tree_review.hpp"

#include "car_transfer.hpp"
#include "reader.hpp"

namespace decloud::content {

namespace {

constexpr std::size_t kReviewedInOneStep = 256;

}  // namespace

Result<bool> TreeReview::step() {
    std::vector<Cid> seen;
    while (!pending_.empty() && seen.size() < kReviewedInOneStep) {
        auto [cid, depth] = std::move(pending_.back());
        pending_.pop_back();
        if (!visited_.insert(cid).second) {
            continue;
        }
        if (depth > kMaxBlockDepth) {
            return fail(CommonError::limit_exceeded, "block " + cid.to_string() + ": too deep");
        }
        TRY(const Bytes data, require_block(*store_, cid));
        bytes_ += data.size();
        // A codec without links that are known here holds only itself.
        if (auto links = block_links(cid, data)) {
            for (Cid& link : *links) {
                pending_.emplace_back(std::move(link), depth + 1);
            }
        }
        seen.push_back(std::move(cid));
    }
    TRY_VOID(store_->refresh(seen));
    return !pending_.empty();
}

}  // namespace decloud::content
