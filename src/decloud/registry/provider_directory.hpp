#pragma once

#include "provider.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/identity/names.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace decloud::registry {

/// How many names are cached, for how long, and how the chain is asked.
struct ProviderDirectorySettings {
    std::size_t max_providers = 4096;
    /// How many names without a usable record are remembered …
    std::size_t max_refused = 1024;
    /// … and for how long.
    std::chrono::steady_clock::duration refused_age = std::chrono::seconds(3);
    /// A cached provider is asked for again after this long even if no event named it.
    std::chrono::steady_clock::duration refresh_age = std::chrono::minutes(10);
    /// How long cached providers are served while the chain cannot be followed.
    std::chrono::steady_clock::duration stale_limit = std::chrono::minutes(10);
    /// For one name; also the longest wait for a round of events.
    std::chrono::steady_clock::duration lookup_timeout = std::chrono::seconds(10);
    /// Names that are looked up at a time; more are refused with `unavailable`.
    std::size_t max_lookups = 64;
    /// After a gap of more blocks the cache is cleared instead of asking for their events.
    std::uint64_t max_event_blocks = 1000;
    /// Blocks whose events are asked for a second time, for endpoints that lag.
    std::uint64_t overlap_blocks = 3;
};

/// The providers of one registry, cached. It follows the events of the registry and of the
/// resolvers it has met from block to block and forgets what they change, so that a change is seen
/// with the block after it at the latest; a reorganisation clears it. However many ask for a name,
/// the chain is asked once. Single threaded; run `run()` in a TaskGroup.
class ProviderDirectory final : public ProviderSource {
  public:
    /// `client` and `head` outlive this.
    ProviderDirectory(async::Executor executor,
        chain::EthereumClient& client,
        chain::HeadFollower& head,
        Address registry,
        ProviderDirectorySettings settings = {});
    /// `stop` must have ended if `find` was ever called.
    ~ProviderDirectory() override;
    ProviderDirectory(const ProviderDirectory&) = delete;
    ProviderDirectory& operator=(const ProviderDirectory&) = delete;

    [[nodiscard]] async::Task<Result<Provider>> find(identity::ProviderName name) override;

    /// Follows the events until cancelled. Without it every `find` asks the chain.
    [[nodiscard]] async::Task<void> run();
    /// Ends lookups that run; their callers get `unavailable`.
    [[nodiscard]] async::Task<void> stop();

    /// How often the chain was asked for a name; for tests and metrics.
    [[nodiscard]] std::uint64_t lookups() const;
    /// How many providers are cached.
    [[nodiscard]] std::size_t size() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::registry
