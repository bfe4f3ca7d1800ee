#include "car_transfer.hpp"
#include "pins.hpp"

#include <algorithm>

namespace decloud::content {

using multiformats::Multihash;

namespace {

constexpr std::size_t kMarkedInOneStep = 256;
constexpr std::size_t kSweptInOneStep = 1024;

}  // namespace

Result<GarbageCollection> GarbageCollection::begin(
    ManagedBlockStore& store, const Pins& pins, const GarbageOptions& options) {
    TRY(const std::vector<Pin> pinned, pins.list());
    std::vector<Cid> roots;
    roots.reserve(pinned.size());
    for (const Pin& pin : pinned) {
        roots.push_back(pin.root);
    }
    const auto min_age = static_cast<std::uint64_t>(options.min_age.count());
    const UnixSeconds added_by{options.now.value - std::min(options.now.value, min_age)};
    return GarbageCollection(store, std::move(roots), added_by);
}

Result<bool> GarbageCollection::step() {
    switch (stage_) {
        case Stage::marking:
            TRY_VOID(mark());
            break;
        case Stage::sweeping:
            TRY_VOID(sweep());
            break;
        case Stage::compacting:
            TRY_VOID(compact());
            break;
        case Stage::done:
            break;
    }
    return stage_ != Stage::done;
}

Result<void> GarbageCollection::mark() {
    for (std::size_t count = 0; count < kMarkedInOneStep && !pending_.empty(); ++count) {
        const Cid cid = std::move(pending_.back());
        pending_.pop_back();
        if (visited_.insert(cid).second) {
            TRY_VOID(mark_block(cid));
        }
    }
    if (pending_.empty()) {
        visited_.clear();
        stage_ = incomplete_ ? Stage::done : Stage::sweeping;
    }
    return {};
}

Result<void> GarbageCollection::mark_block(const Cid& cid) {
    marked_.insert(cid.hash());
    if (cid.codec() == multiformats::Codec::raw) {
        TRY(const bool held, store_->has(cid));
        if (!held) {
            result_.missing.push_back(cid);
        }
        return {};
    }
    auto data = store_->get(cid);
    if (!data && data.error().code() != CommonError::corrupt) {
        return fail(std::move(data.error()));
    }
    if (!data || !*data) {
        result_.missing.push_back(cid);
        incomplete_ = true;
        return {};
    }
    // A codec without links that are known here holds only itself.
    if (const auto links = block_links(cid, **data)) {
        pending_.insert(pending_.end(), links->begin(), links->end());
    }
    return {};
}

Result<void> GarbageCollection::sweep() {
    TRY(const auto entries, store_->list(swept_, kSweptInOneStep));
    std::vector<Multihash> dead;
    for (const ManagedBlockStore::Entry& entry : entries) {
        if (!marked_.contains(entry.hash) && entry.added <= added_by_) {
            dead.push_back(entry.hash);
        }
    }
    if (!dead.empty()) {
        TRY(const auto removed, store_->remove_old(dead, added_by_));
        result_.blocks_removed += removed.blocks;
        result_.bytes_removed += removed.bytes;
    }
    if (entries.size() < kSweptInOneStep) {
        segments_ = store_->sparse_segments();
        stage_ = segments_.empty() ? Stage::done : Stage::compacting;
        return {};
    }
    swept_ = entries.back().hash;
    return {};
}

Result<void> GarbageCollection::compact() {
    const std::uint64_t id = segments_.back();
    segments_.pop_back();
    TRY(const std::uint64_t freed, store_->compact_segment(id));
    result_.bytes_freed_on_disk += freed;
    if (segments_.empty()) {
        stage_ = Stage::done;
    }
    return {};
}

Result<GarbageResult> collect_garbage(
    ManagedBlockStore& store, const Pins& pins, const GarbageOptions& options) {
    TRY(GarbageCollection collection, GarbageCollection::begin(store, pins, options));
    for (;;) {
        TRY(const bool more, collection.step());
        if (!more) {
            return collection.result();
        }
    }
}

}  // namespace decloud::content
