#pragma once

#include "body_stream.hpp"
#include "content_request.hpp"
#include "resolve.hpp"

#include <decloud/content/block_store.hpp>

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

namespace decloud::ipfs {

/// A CARv1 of the blocks that lead to the end of a path and of what is asked for below it, depth
/// first; identity blocks are left out. Holds one block and the links still to be followed. The
/// store outlives it.
class CarStream final : public BodyStream {
  public:
    CarStream(const content::BlockStore& store, Resolved path, const CarOptions& options);

    /// Errors: not_found, corrupt, invalid_input, limit_exceeded: what was sent is then incomplete.
    [[nodiscard]] Result<Bytes> next() override;

  private:
    /// Why a block is sent: what is followed below it.
    enum class Reason : std::uint8_t { alone, everything, entity, part_of_file, shard };
    struct Step {
        content::Cid cid;
        Reason reason = Reason::alone;
        std::size_t depth = 0;
        /// For a part of a file: where it begins, and what is wanted of the whole.
        std::uint64_t offset = 0;
        /// All below it is wanted, wherever in the file it is.
        bool whole = true;
    };

    /// Nothing new can come of this step.
    [[nodiscard]] bool is_done(const Step& step) const;
    /// Takes note of a step that is followed.
    void note(const Step& step);
    [[nodiscard]] Result<void> follow(const Step& step, BytesView data);
    [[nodiscard]] Result<void> follow_entity(const Step& step, BytesView data);
    void push_all(const Step& parent, const std::vector<content::Cid>& links);

    const content::BlockStore* store_;
    CarOptions options_;
    content::Cid root_;
    bool header_sent_ = false;
    std::vector<Step> pending_;
    std::unordered_set<content::Cid> sent_;
    /// Nodes that were followed with all below them, as an entity's parts or shards.
    std::unordered_set<content::Cid> followed_parts_;
    std::unordered_set<content::Cid> followed_shards_;
    /// Of the file; nothing: all of it.
    std::optional<ByteRange> range_;
};

}  // namespace decloud::ipfs
