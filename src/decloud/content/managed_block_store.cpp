#include "managed_block_store.hpp"

#include <algorithm>
#include <iterator>

namespace decloud::content {

namespace {

constexpr std::size_t kVerifiedInOneStep = 1024;

}  // namespace

Result<ManagedBlockStore::Verified> ManagedBlockStore::verify() const {
    Verified all;
    for (;;) {
        TRY(Verified some, verify_some(all.last, kVerifiedInOneStep));
        if (!some.last) {
            return all;
        }
        all.blocks += some.blocks;
        all.bytes += some.bytes;
        std::ranges::move(some.damaged, std::back_inserter(all.damaged));
        all.last = std::move(some.last);
    }
}

}  // namespace decloud::content
