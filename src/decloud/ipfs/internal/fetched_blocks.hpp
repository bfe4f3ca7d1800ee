#pragma once

#include <decloud/content/block_store.hpp>

#include <memory>
#include <optional>

namespace decloud::ipfs::internal {

/// What has been fetched so far and is not visible yet, in front of a store. Read only; remembers
/// which block was missing. Not thread safe. Both outlive it.
class FetchedBlocks final : public content::BlockStore {
  public:
    FetchedBlocks(const content::BlockStore& store, const content::StagedBlocks& staged)
        : store_(store), staged_(staged) {}

    Result<void> put_all(std::span<const content::Block> blocks) override;
    [[nodiscard]] Result<std::optional<Bytes>> get(const content::Cid& cid) const override;
    [[nodiscard]] Result<bool> has(const content::Cid& cid) const override;
    Result<void> remove(const content::Cid& cid) override;
    Result<void> refresh(std::span<const content::Cid> cids) override;
    [[nodiscard]] std::uint64_t bytes_used() const override { return store_.bytes_used(); }
    [[nodiscard]] Result<std::unique_ptr<content::StagedBlocks>> stage() override;

    /// The last block that `get` did not find since this was asked.
    [[nodiscard]] std::optional<content::Cid> take_missing() {
        return std::exchange(missing_, std::nullopt);
    }

  private:
    const content::BlockStore& store_;
    const content::StagedBlocks& staged_;
    mutable std::optional<content::Cid> missing_;
};

}  // namespace decloud::ipfs::internal
