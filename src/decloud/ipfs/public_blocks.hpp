#pragma once

#include <decloud/content/block_store.hpp>

#include <cstdint>
#include <functional>

namespace decloud::ipfs {

/// Whether the public may have a block.
enum class Visibility : std::uint8_t {
    shown,
    /// As if it were not here.
    hidden,
    /// The operator's policy denies it.
    denied,
};

/// Asked for each block before it is read, from any thread.
using VisibilityRule = std::function<Result<Visibility>(const content::Cid&)>;

/// The blocks of a store that the public may read, so that nothing that reads through it can show
/// more: hidden ones are not held, for denied ones the error is permission_denied. Nothing can be
/// written. The store outlives it. As thread safe as the rule.
class PublicBlocks final : public content::BlockStore {
  public:
    PublicBlocks(const content::BlockStore& store, VisibilityRule rule);

    Result<void> put_all(std::span<const content::Block> blocks) override;
    [[nodiscard]] Result<std::optional<Bytes>> get(const content::Cid& cid) const override;
    [[nodiscard]] Result<bool> has(const content::Cid& cid) const override;
    Result<void> remove(const content::Cid& cid) override;
    Result<void> refresh(std::span<const content::Cid> cids) override;
    [[nodiscard]] std::uint64_t bytes_used() const override;
    [[nodiscard]] Result<std::unique_ptr<content::StagedBlocks>> stage() override;

  private:
    const content::BlockStore* store_;
    VisibilityRule rule_;
};

}  // namespace decloud::ipfs
