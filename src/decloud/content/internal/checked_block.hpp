#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/cid.hpp>

namespace decloud::content::internal {

/// Error: limit_exceeded.
[[nodiscard]] inline Result<void> check_block_size(const multiformats::Cid& cid, BytesView data) {
    if (data.size() > multiformats::kMaxBlock) {
        return fail(CommonError::limit_exceeded, "block " + cid.to_string() + " is over 2 MiB");
    }
    return {};
}

/// The one check before a block is kept. Errors: limit_exceeded, corrupt naming the cid,
/// invalid_input.
[[nodiscard]] inline Result<void> check_block(const multiformats::Cid& cid, BytesView data) {
    TRY_VOID(check_block_size(cid, data));
    return cid.verify(data);
}

[[nodiscard]] inline bool is_inline(const multiformats::Cid& cid) {
    return cid.hash().code() == multiformats::HashCode::identity;
}

}  // namespace decloud::content::internal
