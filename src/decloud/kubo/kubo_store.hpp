#pragma once

#include "api.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/content/managed_block_store.hpp>
#include <decloud/content/private_blocks.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace decloud::kubo {

namespace internal {
class Index;
}  // namespace internal

/// Blocks that anybody may read are kept by Kubo, all others by the embedded store. What is put at
/// once goes to Kubo if none of it is private, else whole to the embedded store: no private block
/// ever leaves this machine's disk, and what came together stays in one place. What the embedded
/// store held before stays there.
///
/// A block counts as held in Kubo if it was put there through this store; what others put into the
/// same Kubo is not this node's. Removed blocks are forgotten, not deleted in Kubo: they may be
/// others', too, and Kubo's own collection frees what nothing pins.
///
/// Errors besides the interface's: the `Api`'s. Nothing is held before Kubo has acknowledged it.
class KuboBlockStore final : public content::ManagedBlockStore {
  public:
    /// All of them outlive this.
    KuboBlockStore(Api& api,
        internal::Index& index,
        content::ManagedBlockStore& embedded,
        const content::PrivateBlocks& private_blocks,
        const Clock& clock)
        : api_(api),
          index_(index),
          embedded_(embedded),
          private_blocks_(private_blocks),
          clock_(clock) {}

    Result<void> put_all(std::span<const Block> blocks) override;
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override;
    [[nodiscard]] Result<bool> has(const Cid& cid) const override;
    Result<void> remove(const Cid& cid) override;
    Result<void> refresh(std::span<const Cid> cids) override;
    [[nodiscard]] std::uint64_t bytes_used() const override;
    [[nodiscard]] Result<std::unique_ptr<content::StagedBlocks>> stage() override;

    [[nodiscard]] Result<std::vector<Entry>> list(
        const std::optional<multiformats::Multihash>& after, std::size_t count) const override;
    Result<Removed> remove_old(
        std::span<const multiformats::Multihash> hashes, UnixSeconds added_by) override;
    [[nodiscard]] std::vector<std::uint64_t> sparse_segments() const override {
        return embedded_.sparse_segments();
    }
    Result<std::uint64_t> compact_segment(std::uint64_t id) override {
        return embedded_.compact_segment(id);
    }
    [[nodiscard]] Result<Verified> verify_some(
        const std::optional<multiformats::Multihash>& after, std::size_t count) const override;

    /// Has Kubo keep what `read` gives for each. False if one of them is private: then Kubo was
    /// given nothing.
    [[nodiscard]] Result<bool> keep_in_kubo(
        std::span<const Cid> cids, const std::function<Result<Bytes>(const Cid&)>& read);

  private:
    Api& api_;
    internal::Index& index_;
    content::ManagedBlockStore& embedded_;
    const content::PrivateBlocks& private_blocks_;
    const Clock& clock_;
};

}  // namespace decloud::kubo
