#include "car_stream.hpp"

#include <decloud/content/car_transfer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/multiformats/car.hpp>
#include <decloud/multiformats/unixfs.hpp>

#include <algorithm>
#include <limits>
#include <ranges>

namespace decloud::ipfs {

namespace {

using content::Cid;
using multiformats::Codec;
using multiformats::HashCode;
using multiformats::UnixFsType;

bool is_inline(const Cid& cid) { return cid.hash().code() == HashCode::identity; }

}  // namespace

CarStream::CarStream(const content::BlockStore& store, Resolved path, const CarOptions& options)
    : store_(&store), options_(options), root_(path.cid) {
    const Reason reason = options.scope == DagScope::block    ? Reason::alone
                          : options.scope == DagScope::entity ? Reason::entity
                                                              : Reason::everything;
    pending_.push_back({.cid = std::move(path.cid), .reason = reason});
    for (Cid& cid : path.passed | std::views::reverse) {
        pending_.push_back({.cid = std::move(cid)});
    }
}

Result<Bytes> CarStream::next() {
    if (!header_sent_) {
        header_sent_ = true;
        return multiformats::encode_car_header(std::vector<Cid>{root_});
    }
    while (!pending_.empty()) {
        const Step step = std::move(pending_.back());
        pending_.pop_back();
        if (step.depth > content::kMaxBlockDepth) {
            return fail(
                CommonError::limit_exceeded, "block " + step.cid.to_string() + ": too deep");
        }
        // What was sent for the way may have to be followed now.
        const bool repeated = sent_.contains(step.cid) && !options_.duplicates;
        if (repeated && is_done(step)) {
            continue;
        }
        note(step);
        TRY(const Bytes data, content::require_block(*store_, step.cid));
        TRY_VOID(follow(step, data));
        if (is_inline(step.cid) || repeated) {
            continue;
        }
        if (!options_.duplicates) {
            sent_.insert(step.cid);
        }
        Bytes section;
        multiformats::append_car_section(section, step.cid, data);
        return section;
    }
    return Bytes{};
}

bool CarStream::is_done(const Step& step) const {
    switch (step.reason) {
        case Reason::part_of_file:
            return step.cid.codec() != Codec::dag_pb ||
                   (step.whole && followed_parts_.contains(step.cid));
        case Reason::shard:
            return step.cid.codec() != Codec::dag_pb || followed_shards_.contains(step.cid);
        case Reason::entity:
            return false;
        case Reason::alone:
        case Reason::everything:
            break;
    }
    return true;
}

void CarStream::note(const Step& step) {
    if (options_.duplicates || step.cid.codec() != Codec::dag_pb) {
        return;
    }
    if (step.reason == Reason::part_of_file && step.whole) {
        followed_parts_.insert(step.cid);
    } else if (step.reason == Reason::shard) {
        followed_shards_.insert(step.cid);
    }
}

void CarStream::push_all(const Step& parent, const std::vector<Cid>& links) {
    for (const Cid& link : links | std::views::reverse) {
        pending_.push_back({.cid = link, .reason = parent.reason, .depth = parent.depth + 1});
    }
}

Result<void> CarStream::follow(const Step& step, BytesView data) {
    if (step.reason == Reason::alone) {
        return {};
    }
    if (step.reason == Reason::everything) {
        TRY(const std::vector<Cid> links, content::block_links(step.cid, data));
        push_all(step, links);
        return {};
    }
    return step.cid.codec() == Codec::dag_pb ? follow_entity(step, data) : Result<void>{};
}

Result<void> CarStream::follow_entity(const Step& step, BytesView data) {
    auto node = multiformats::decode_unixfs_node(data);
    if (!node) {
        // Another use of dag-pb: the entity is the block.
        return step.reason == Reason::entity ? Result<void>{} : Result<void>(fail(node.error()));
    }
    Step child{.cid = step.cid, .reason = Reason::shard, .depth = step.depth + 1};
    if (node->info.type == UnixFsType::hamt_shard) {
        const std::size_t digits = multiformats::hamt_prefix_size(node->info.fanout.value_or(1));
        for (const auto& link : node->links | std::views::reverse) {
            if (link.name.value_or("").size() == digits) {
                child.cid = link.cid;
                pending_.push_back(child);
            }
        }
        return {};
    }
    if (node->info.type != UnixFsType::file && node->info.type != UnixFsType::raw) {
        return {};
    }
    const std::uint64_t size = node->info.file_size.value_or(0);
    // So parts that are cut by a range are few: in each node those at its ends.
    if (size > std::numeric_limits<std::uint64_t>::max() - step.offset) {
        return fail(
            CommonError::invalid_input, "block " + step.cid.to_string() + ": a size too large");
    }
    if (step.reason == Reason::entity && options_.bytes) {
        range_ = clip(*options_.bytes, size);
        if (!range_) {
            return {};
        }
    }
    child.reason = Reason::part_of_file;
    std::uint64_t end = step.offset + size;
    for (std::size_t i = node->links.size(); i-- > 0;) {
        const std::uint64_t begin = end - node->info.block_sizes[i];
        if (!range_ || (begin <= range_->last && end > range_->first)) {
            child.cid = node->links[i].cid;
            child.offset = begin;
            child.whole = !range_ || (begin >= range_->first && end <= range_->last + 1);
            pending_.push_back(child);
        }
        end = begin;
    }
    return {};
}

}  // namespace decloud::ipfs
