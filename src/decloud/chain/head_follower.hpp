#pragma once

#include "ethereum.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::chain {

/// How often the chain is asked, and what counts as final and as too old.
struct HeadFollowerSettings {
    std::chrono::steady_clock::duration poll = std::chrono::milliseconds(500);
    /// A block this far below the head is final for us.
    std::uint64_t depth = 2;
    /// With an older head nothing paid is served: a quarter of the escrow's close delay.
    std::chrono::seconds max_age{6 * 3600};
    /// None: whatever the first answer says.
    std::optional<std::uint64_t> chain_id{};
};

/// For `/readyz`.
struct ChainStatus {
    bool ready = false;
    /// Why not; empty if ready.
    std::string reason{};
    /// While the chain is down known channels go on: false only without a final block, with a head
    /// older than `max_age`, or while endpoints contradict each other.
    bool may_serve_paid = false;
    std::uint64_t head = 0;
    std::uint64_t finalized = 0;
    std::chrono::seconds head_age{0};
};

/// Follows the head of the chain, keeps the hashes of recent blocks and tells listeners of blocks
/// that have become final and of reorganisations. Single threaded; run `run()` in a TaskGroup.
class HeadFollower {
  public:
    /// `client` and `clock` outlive this.
    HeadFollower(async::Executor executor,
        EthereumClient& client,
        const Clock& clock,
        HeadFollowerSettings settings = {});
    ~HeadFollower();
    HeadFollower(const HeadFollower&) = delete;
    HeadFollower& operator=(const HeadFollower&) = delete;

    /// Polls until cancelled. Never gives up: an unreachable chain is shown by `status()`.
    [[nodiscard]] async::Task<void> run();
    /// One round now.
    [[nodiscard]] async::Task<Result<void>> poll();

    /// The newest block and the newest final one, as of the last poll; none before there was one.
    [[nodiscard]] std::optional<BlockHeader> head() const { return head_; }
    [[nodiscard]] std::optional<BlockHeader> finalized() const { return finalized_; }
    /// `HeadFollowerSettings::depth`, in blocks.
    [[nodiscard]] std::uint64_t depth() const { return settings_.depth; }
    /// For a limit that is on the chain itself and becomes known later.
    void set_max_age(std::chrono::seconds age) { settings_.max_age = age; }
    /// As of the last poll; the head's age as of now.
    [[nodiscard]] ChainStatus status() const;
    /// How many times a block that had been seen was replaced.
    [[nodiscard]] std::uint64_t reorganisations() const { return reorganisations_; }

    /// Keeps a listener registered; its destruction ends that.
    using Subscription = std::shared_ptr<void>;
    /// Called on the executor for each newly final block, in order; after a gap of more than 64
    /// blocks only for the newest. Must not block.
    [[nodiscard]] Subscription on_finalized(std::function<void(const BlockHeader&)> listener);
    /// Called with every new head.
    [[nodiscard]] Subscription on_head(std::function<void(const BlockHeader&)> listener);
    /// Called with the number of the first block that changed.
    [[nodiscard]] Subscription on_reorganisation(std::function<void(std::uint64_t)> listener);

    /// Waits until the head, or the newest final block, has at least this number. Errors: timeout,
    /// cancelled.
    [[nodiscard]] async::Task<Result<void>> wait_for_head(
        std::uint64_t number, std::chrono::steady_clock::duration limit);
    [[nodiscard]] async::Task<Result<void>> wait_for_finalized(
        std::uint64_t number, std::chrono::steady_clock::duration limit);

  private:
    template <class Argument>
    struct Listeners;
    struct Hub;

    [[nodiscard]] async::Task<Result<void>> ask();
    [[nodiscard]] async::Task<Result<void>> accept(BlockHeader head);
    [[nodiscard]] async::Task<Result<void>> finalize();
    [[nodiscard]] async::Task<Result<void>> wait_until(
        std::function<bool()> reached, std::chrono::steady_clock::duration limit);
    void note_reorganisation(std::uint64_t first);

    EthereumClient& client_;
    const Clock& clock_;
    HeadFollowerSettings settings_;
    std::optional<BlockHeader> head_;
    std::optional<BlockHeader> finalized_;
    std::map<std::uint64_t, BlockHeader> recent_;
    std::string problem_ = "the chain has not been asked yet";
    std::uint64_t reorganisations_ = 0;
    bool chain_checked_ = false;
    bool contradicted_ = false;
    std::unique_ptr<Hub> hub_;
    async::Event changed_;
};

}  // namespace decloud::chain
