#include "car_transfer.hpp"
#include "pins.hpp"

#include <unordered_set>

namespace decloud::content {

namespace {

using multiformats::Multihash;

struct Marked {
    std::unordered_set<Multihash> hashes;
    std::vector<Cid> missing;
    /// A block that could have links was missing, so what it led to is not known.
    bool incomplete = false;
};

Result<Marked> mark(const BlockStore& store, std::vector<Cid> pending) {
    Marked out;
    std::unordered_set<Cid> visited;
    while (!pending.empty()) {
        const Cid cid = std::move(pending.back());
        pending.pop_back();
        if (!visited.insert(cid).second) {
            continue;
        }
        out.hashes.insert(cid.hash());
        if (cid.codec() == multiformats::Codec::raw) {
            TRY(const bool held, store.has(cid));
            if (!held) {
                out.missing.push_back(cid);
            }
            continue;
        }
        auto data = store.get(cid);
        if (!data && data.error().code() != CommonError::corrupt) {
            return fail(std::move(data.error()));
        }
        if (!data || !*data) {
            out.missing.push_back(cid);
            out.incomplete = true;
            continue;
        }
        // A codec without links that are known here holds only itself.
        if (const auto links = block_links(cid, **data)) {
            pending.insert(pending.end(), links->begin(), links->end());
        }
    }
    return out;
}

}  // namespace

Result<GarbageResult> collect_garbage(
    DiskBlockStore& store, const Pins& pins, const GarbageOptions& options) {
    TRY(const std::vector<Pin> pinned, pins.list());
    std::vector<Cid> roots;
    roots.reserve(pinned.size());
    for (const Pin& pin : pinned) {
        roots.push_back(pin.root);
    }
    TRY(Marked marked, mark(store, std::move(roots)));
    GarbageResult out;
    out.missing = std::move(marked.missing);
    if (marked.incomplete) {
        return out;
    }
    std::vector<Multihash> dead;
    const auto min_age = static_cast<std::uint64_t>(options.min_age.count());
    TRY_VOID(store.for_each([&](const DiskBlockStore::Entry& entry) -> Result<void> {
        if (!marked.hashes.contains(entry.hash) &&
            entry.added.value + min_age <= options.now.value) {
            dead.push_back(entry.hash);
            ++out.blocks_removed;
            out.bytes_removed += entry.bytes;
        }
        return {};
    }));
    TRY_VOID(store.remove_all(dead));
    TRY(out.bytes_freed_on_disk, store.compact());
    return out;
}

}  // namespace decloud::content
