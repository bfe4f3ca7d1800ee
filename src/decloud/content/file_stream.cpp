#include "file_stream.hpp"

#include "internal/checked_block.hpp"
#include "internal/file_part.hpp"
#include "internal/load_node.hpp"

#include <utility>
#include <vector>

namespace decloud::content {

struct FileStream::State {
    Sink sink;
    std::vector<internal::FilePart> pending;

    /// The block of the part that is due.
    Result<void> take(BytesView data) {
        const internal::FilePart part = std::move(pending.back());
        pending.pop_back();
        TRY(const multiformats::UnixFsNode node, internal::decode_node(part.cid, to_bytes(data)));
        TRY_VOID(internal::open_file_part(part, node, pending));
        return node.info.data && !node.info.data->empty() ? sink(*node.info.data) : Result<void>{};
    }

    /// Parts whose bytes are in their ids do not arrive.
    Result<void> take_inline() {
        while (!pending.empty() && internal::is_inline(pending.back().cid)) {
            const Cid cid = pending.back().cid;
            TRY_VOID(take(cid.hash().digest()));
        }
        return {};
    }
};

FileStream::FileStream(const Cid& root, Sink sink)
    : state_(std::make_unique<State>(State{.sink = std::move(sink), .pending = {}})) {
    state_->pending.push_back({.cid = root, .offset = 0, .size = std::nullopt, .depth = 0});
}

FileStream::~FileStream() = default;

Result<void> FileStream::write(const Cid& cid, BytesView data) {
    TRY_VOID(state_->take_inline());
    if (state_->pending.empty() || state_->pending.back().cid.to_v1() != cid.to_v1()) {
        return fail(
            CommonError::invalid_input, "block " + cid.to_string() + " is not the one that is due");
    }
    return state_->take(data);
}

Result<void> FileStream::finish() {
    TRY_VOID(state_->take_inline());
    if (!state_->pending.empty()) {
        return fail(CommonError::not_found,
            "block " + state_->pending.back().cid.to_string() + " did not arrive");
    }
    return {};
}

}  // namespace decloud::content
