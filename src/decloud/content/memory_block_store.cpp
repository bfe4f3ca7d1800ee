#include "block_store.hpp"
#include "internal/checked_block.hpp"

#include <mutex>
#include <unordered_map>
#include <utility>

namespace decloud::content {

namespace {

using internal::check_block;
using internal::check_block_size;
using internal::is_inline;
using multiformats::Multihash;
using BlockMap = std::unordered_map<Multihash, Bytes>;

class MemoryBlockStore;

class MemoryStagedBlocks final : public StagedBlocks {
  public:
    explicit MemoryStagedBlocks(MemoryBlockStore& store) : store_(store) {}

    Result<void> put_verified(const Cid& cid, BytesView data) override {
        TRY_VOID(check_block_size(cid, data));
        if (!is_inline(cid) && blocks_.try_emplace(cid.hash(), to_bytes(data)).second) {
            bytes_ += data.size();
        }
        return {};
    }
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override {
        const auto found = blocks_.find(cid.hash());
        if (found == blocks_.end()) {
            return std::nullopt;
        }
        return found->second;
    }
    [[nodiscard]] bool has(const Cid& cid) const override { return blocks_.contains(cid.hash()); }
    [[nodiscard]] std::uint64_t bytes() const override { return bytes_; }
    Result<void> commit() override;

  private:
    MemoryBlockStore& store_;
    BlockMap blocks_;
    std::uint64_t bytes_ = 0;
};

class MemoryBlockStore final : public BlockStore {
  public:
    Result<void> put_all(std::span<const Block> blocks) override {
        for (const Block& block : blocks) {
            TRY_VOID(check_block(block.cid, block.data));
        }
        const std::lock_guard lock(mutex_);
        for (const Block& block : blocks) {
            if (!is_inline(block.cid)) {
                add(block.cid.hash(), block.data);
            }
        }
        return {};
    }
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override {
        if (is_inline(cid)) {
            return to_bytes(cid.hash().digest());
        }
        const std::lock_guard lock(mutex_);
        const auto found = blocks_.find(cid.hash());
        if (found == blocks_.end()) {
            return std::nullopt;
        }
        return found->second;
    }
    [[nodiscard]] Result<bool> has(const Cid& cid) const override {
        const std::lock_guard lock(mutex_);
        return is_inline(cid) || blocks_.contains(cid.hash());
    }
    Result<void> remove(const Cid& cid) override {
        const std::lock_guard lock(mutex_);
        const auto found = blocks_.find(cid.hash());
        if (found != blocks_.end()) {
            bytes_used_ -= found->second.size();
            blocks_.erase(found);
        }
        return {};
    }
    Result<void> refresh(std::span<const Cid> cids) override {
        for (const Cid& cid : cids) {
            TRY_VOID(require_block(*this, cid));
        }
        return {};
    }
    [[nodiscard]] std::uint64_t bytes_used() const override {
        const std::lock_guard lock(mutex_);
        return bytes_used_;
    }
    [[nodiscard]] Result<std::unique_ptr<StagedBlocks>> stage() override {
        return std::make_unique<MemoryStagedBlocks>(*this);
    }
    void take(BlockMap blocks) {
        const std::lock_guard lock(mutex_);
        for (auto& [hash, data] : blocks) {
            add(hash, std::move(data));
        }
    }

  private:
    void add(const Multihash& hash, Bytes data) {
        const auto [position, added] = blocks_.try_emplace(hash, std::move(data));
        if (added) {
            bytes_used_ += position->second.size();
        }
    }

    mutable std::mutex mutex_;
    BlockMap blocks_;
    std::uint64_t bytes_used_ = 0;
};

Result<void> MemoryStagedBlocks::commit() {
    store_.take(std::exchange(blocks_, {}));
    return {};
}

}  // namespace

std::unique_ptr<BlockStore> make_memory_block_store() {
    return std::make_unique<MemoryBlockStore>();
}

}  // namespace decloud::content
