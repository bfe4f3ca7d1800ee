#include "kubo_store.hpp"

#include "internal/index.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace decloud::kubo {

namespace {

using content::StagedBlocks;
using multiformats::Multihash;

/// Of blocks that Kubo is given with one request.
constexpr std::size_t kBytesAtOnce = std::size_t{16} << 20U;
constexpr std::size_t kBlocksAtOnce = 2048;

bool is_inline(const Cid& cid) { return cid.hash().code() == multiformats::HashCode::identity; }

/// Received by the embedded store, as it is known only at the end whether they are private.
class KuboStagedBlocks final : public StagedBlocks {
  public:
    KuboStagedBlocks(KuboBlockStore& store, std::unique_ptr<StagedBlocks> received)
        : store_(store), received_(std::move(received)) {}

    Result<void> put_verified(const Cid& cid, BytesView data) override {
        const bool is_new = !is_inline(cid) && !received_->has(cid);
        TRY_VOID(received_->put_verified(cid, data));
        if (is_new) {
            cids_.push_back(cid);
        }
        return {};
    }
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override {
        return received_->get(cid);
    }
    [[nodiscard]] bool has(const Cid& cid) const override { return received_->has(cid); }
    [[nodiscard]] std::uint64_t bytes() const override { return received_->bytes(); }

    Result<void> commit() override {
        const auto read = [this](const Cid& cid) -> Result<Bytes> {
            TRY(auto data, received_->get(cid));
            return data ? Result<Bytes>(std::move(*data)) : fail(CommonError::internal);
        };
        TRY(const bool is_public, store_.keep_in_kubo(cids_, read));
        return is_public ? Result<void>{} : received_->commit();
    }

  private:
    KuboBlockStore& store_;
    std::unique_ptr<StagedBlocks> received_;
    std::vector<Cid> cids_;
};

}  // namespace

Result<bool> KuboBlockStore::keep_in_kubo(
    std::span<const Cid> cids, const std::function<Result<Bytes>(const Cid&)>& read) {
    for (const Cid& cid : cids) {
        TRY(const bool is_private, private_blocks_.contains(cid));
        if (is_private) {
            return false;
        }
    }
    std::vector<std::pair<Multihash, std::uint64_t>> kept;
    kept.reserve(cids.size());
    std::vector<Block> batch;
    std::size_t bytes = 0;
    for (const Cid& cid : cids) {
        TRY(Bytes data, read(cid));
        bytes += data.size();
        kept.emplace_back(cid.hash(), data.size());
        batch.push_back({.cid = cid, .data = std::move(data)});
        if (bytes >= kBytesAtOnce || batch.size() == kBlocksAtOnce) {
            TRY_VOID(api_.put(batch));
            batch.clear();
            bytes = 0;
        }
    }
    TRY_VOID(api_.put(batch));
    TRY_VOID(index_.add(kept, clock_.unix_seconds()));
    return true;
}

Result<void> KuboBlockStore::put_all(std::span<const Block> blocks) {
    TRY(const auto staged, stage());
    for (const Block& block : blocks) {
        TRY_VOID(staged->put(block.cid, block.data));
    }
    return staged->commit();
}

Result<std::optional<Bytes>> KuboBlockStore::get(const Cid& cid) const {
    auto held = embedded_.get(cid);
    if (held && *held) {
        return held;
    }
    TRY(const bool in_kubo, index_.has(cid.hash()));
    if (!in_kubo) {
        return held;
    }
    return api_.get(cid);
}

Result<bool> KuboBlockStore::has(const Cid& cid) const {
    TRY(const bool held, embedded_.has(cid));
    return held ? Result<bool>(true) : index_.has(cid.hash());
}

Result<void> KuboBlockStore::remove(const Cid& cid) {
    TRY_VOID(embedded_.remove(cid));
    return index_.remove(cid.hash());
}

Result<void> KuboBlockStore::refresh(std::span<const Cid> cids) {
    std::vector<Cid> here;
    std::vector<Multihash> in_kubo;
    for (const Cid& cid : cids) {
        TRY(const bool embedded, embedded_.has(cid));
        TRY(const bool indexed, index_.has(cid.hash()));
        if (indexed) {
            in_kubo.push_back(cid.hash());
        }
        // What nobody holds is refused there, by name.
        if (embedded || !indexed) {
            here.push_back(cid);
        }
    }
    TRY_VOID(embedded_.refresh(here));
    return index_.refresh(in_kubo, clock_.unix_seconds());
}

std::uint64_t KuboBlockStore::bytes_used() const {
    const auto in_kubo = index_.bytes();
    if (!in_kubo) {
        log::warning("kubo", "{}", in_kubo.error().message());
    }
    return embedded_.bytes_used() + in_kubo.value_or(0);
}

Result<std::unique_ptr<StagedBlocks>> KuboBlockStore::stage() {
    TRY(auto received, embedded_.stage());
    return std::make_unique<KuboStagedBlocks>(*this, std::move(received));
}

Result<std::vector<KuboBlockStore::Entry>> KuboBlockStore::list(
    const std::optional<Multihash>& after, std::size_t count) const {
    TRY(std::vector<Entry> all, embedded_.list(after, count));
    TRY(std::vector<Entry> in_kubo, index_.list(after, count));
    std::ranges::move(in_kubo, std::back_inserter(all));
    std::ranges::sort(all, {}, [](const Entry& entry) { return entry.hash.to_bytes(); });
    std::vector<Entry> merged;
    for (Entry& entry : all) {
        if (!merged.empty() && merged.back().hash == entry.hash) {
            merged.back().added.value = std::max(merged.back().added.value, entry.added.value);
        } else if (merged.size() == count) {
            break;
        } else {
            merged.push_back(std::move(entry));
        }
    }
    return merged;
}

Result<KuboBlockStore::Removed> KuboBlockStore::remove_old(
    std::span<const Multihash> hashes, UnixSeconds added_by) {
    TRY(Removed removed, embedded_.remove_old(hashes, added_by));
    TRY(const Removed forgotten, index_.remove_old(hashes, added_by));
    removed.blocks += forgotten.blocks;
    removed.bytes += forgotten.bytes;
    return removed;
}

Result<KuboBlockStore::Verified> KuboBlockStore::verify_some(
    const std::optional<Multihash>& after, std::size_t count) const {
    TRY(std::vector<Entry> page, list(after, count));
    Verified out;
    if (page.empty()) {
        return out;
    }
    TRY(const std::vector<Entry> here, embedded_.list(after, count));
    const Bytes end = page.back().hash.to_bytes();
    const auto shared = std::ranges::count_if(
        here, [&end](const Entry& entry) { return entry.hash.to_bytes() <= end; });
    if (shared > 0) {
        TRY(out, embedded_.verify_some(after, static_cast<std::size_t>(shared)));
    }
    for (const Entry& entry : page) {
        TRY(const bool in_kubo, index_.has(entry.hash));
        if (!in_kubo) {
            continue;
        }
        const Cid cid = Cid::v1(multiformats::Codec::raw, entry.hash);
        const auto data = api_.get(cid);
        if (!data && data.error() != make_error_code(CommonError::corrupt)) {
            return fail(data.error());
        }
        ++out.blocks;
        out.bytes += entry.bytes;
        if (!data || !*data) {
            out.damaged.push_back({.cid = cid});
        }
    }
    out.last = std::move(page.back().hash);
    return out;
}

}  // namespace decloud::kubo
