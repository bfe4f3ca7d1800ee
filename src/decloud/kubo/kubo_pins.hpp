#pragma once

#include "api.hpp"

#include <decloud/content/managed_block_store.hpp>
#include <decloud/content/pins.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace decloud::kubo {

namespace internal {
class Index;
}  // namespace internal

/// Pins whose trees stay: one that Kubo has whole is pinned there, too, under the name "decloud",
/// before the pin counts; every other is made whole in the embedded store. When the last pin of a
/// root ends, so does Kubo's, at once or, where Kubo does not answer, by `release_ended`. A pin
/// that Kubo had before is left as it is.
class KuboPins final : public content::Pins {
  public:
    /// All of them outlive this. `blocks` reads what the embedded store and Kubo hold.
    KuboPins(Api& api,
        internal::Index& index,
        content::BlockStore& embedded,
        const content::BlockStore& blocks,
        content::Pins& pins)
        : api_(api), index_(index), embedded_(embedded), blocks_(blocks), pins_(pins) {}

    /// Learns roots that were pinned in Kubo, on any thread. Set before the pins are used.
    void on_pinned(std::function<void(const Cid&)> listener) { listener_ = std::move(listener); }

    /// Errors also: the `Api`'s; not_found or corrupt naming a block that is missing below the
    /// root.
    Result<void> pin(const content::Pin& pin) override;
    Result<void> pin_within(const content::Pin& pin, std::uint64_t max_owner_bytes) override;
    Result<std::uint64_t> unpin(
        const Cid& root, std::string_view owner, std::string_view reason) override;
    Result<std::uint64_t> unpin_reason(std::string_view owner, std::string_view reason) override;
    [[nodiscard]] Result<std::vector<content::Pin>> list() const override { return pins_.list(); }
    [[nodiscard]] Result<std::vector<content::Pin>> list_owner(
        std::string_view owner) const override {
        return pins_.list_owner(owner);
    }
    [[nodiscard]] Result<bool> is_pinned(const Cid& root) const override {
        return pins_.is_pinned(root);
    }
    [[nodiscard]] Result<std::uint64_t> owner_bytes(std::string_view owner) const override {
        return pins_.owner_bytes(owner);
    }
    Result<void> expire_owner(std::string_view owner, std::optional<UnixSeconds> expires) override {
        return pins_.expire_owner(owner, expires);
    }
    Result<std::vector<content::Pin>> remove_expired(UnixSeconds now) override;

    /// Ends the pins in Kubo that no pin of ours needs any more. Asks Kubo nothing if there is
    /// none. Stops at the first error.
    Result<void> release_ended();
    /// True if a pin in Kubo could not be ended since that was last asked.
    [[nodiscard]] bool take_unreleased() { return unreleased_.exchange(false); }
    /// Makes again the pins that Kubo has lost. What it no longer has whole is named in the log.
    /// Asks Kubo for each; stops at the first error.
    Result<void> restore_lost();
    /// Up to `count` roots that are pinned in Kubo for this node, in an order that stays, after
    /// `after`; without it the first.
    [[nodiscard]] Result<std::vector<Cid>> roots_in_kubo(
        const std::optional<Cid>& after, std::size_t count) const;

  private:
    /// Held while the pins of one root change, so that its pin in Kubo does what they say.
    class RootLock;

    Result<void> add(const content::Pin& pin, const std::function<Result<void>()>& record);
    Result<void> keep(const Cid& root);
    /// False if Kubo does not keep it whole.
    Result<bool> keep_in_kubo(const Cid& root);
    Result<void> keep_embedded(const Cid& root);
    Result<void> release(const Cid& root);
    Result<void> restore(const Cid& root);
    Result<void> for_each_root(Result<void> (KuboPins::*work)(const Cid&));
    /// `release`, with what fails in the log: `release_ended` tries again.
    void try_release(const Cid& root);

    Api& api_;
    internal::Index& index_;
    content::BlockStore& embedded_;
    const content::BlockStore& blocks_;
    content::Pins& pins_;
    std::function<void(const Cid&)> listener_;
    std::atomic<bool> unreleased_ = false;
    std::mutex mutex_;
    std::condition_variable unlocked_;
    std::unordered_set<Cid> locked_;
};

}  // namespace decloud::kubo
