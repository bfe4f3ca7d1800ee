#pragma once

#include "provider.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/chain/registry.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::registry {

/// How much of a registry is followed, and how the chain is asked.
struct ProviderCatalogueSettings {
    /// Names; those registered first stay.
    std::size_t max_providers = 4096;
    /// Where the registrar's history begins.
    std::uint64_t first_block = 0;
    /// Blocks whose events are asked for at once.
    std::uint64_t max_event_blocks = 2000;
    /// Longest wait between two rounds; a new head begins one.
    std::chrono::steady_clock::duration pause = std::chrono::seconds(1);
    /// A name without a usable record is looked up again after `retry`, then after twice that, and
    /// so on to `longest_retry`; an event that names it begins anew.
    std::chrono::steady_clock::duration retry = std::chrono::seconds(1);
    std::chrono::steady_clock::duration longest_retry = std::chrono::seconds(60);
    /// The registrar is asked for again after this long.
    std::chrono::steady_clock::duration registrar_age = std::chrono::minutes(10);
    /// For one question to the chain.
    std::chrono::steady_clock::duration timeout = std::chrono::seconds(10);
};

/// All providers that the registrar of the top name has registered. Names come from its events:
/// those up to the newest final block are kept, those of later blocks are read anew with each head,
/// so that a reorganisation takes back what it undoes. Records come from a ProviderSource, which
/// follows their changes. Names that owners hand out below their own are not among them, as events
/// do not spell them. Single threaded; run `run()` in a TaskGroup.
class ProviderCatalogue {
  public:
    using List = std::vector<Provider>;

    /// All outlive this; `source` should keep twice `max_providers`.
    ProviderCatalogue(async::Executor executor,
        chain::EthereumClient& client,
        chain::HeadFollower& head,
        Address registry,
        ProviderSource& source,
        ProviderCatalogueSettings settings = {});
    ProviderCatalogue(const ProviderCatalogue&) = delete;
    ProviderCatalogue& operator=(const ProviderCatalogue&) = delete;
    ~ProviderCatalogue();

    /// Follows until cancelled.
    [[nodiscard]] async::Task<void> run();
    /// Those with a usable record, as of the last round. Never null.
    [[nodiscard]] std::shared_ptr<const List> providers() const { return providers_; }
    /// True once everything up to the head was read.
    [[nodiscard]] bool is_complete() const { return complete_; }

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    /// By the registry's node.
    using Names = std::map<Bytes32, identity::ProviderName>;

    [[nodiscard]] async::Task<Result<void>> read_names();
    [[nodiscard]] async::Task<Result<void>> find_registrar();
    [[nodiscard]] async::Task<Result<std::vector<chain::Log>>> registrations(
        std::uint64_t from, std::uint64_t to);
    /// Only a help: without it names are looked up later.
    [[nodiscard]] async::Task<void> note_changes(std::uint64_t from, std::uint64_t to);
    [[nodiscard]] async::Task<void> refresh();
    void take(const chain::Log& log, Names& into);
    void start_over();

    chain::EthereumClient& client_;
    chain::HeadFollower& head_;
    chain::RegistryView view_;
    ProviderSource& source_;
    ProviderCatalogueSettings settings_;
    async::Event wake_;
    chain::HeadFollower::Subscription on_head_;
    chain::HeadFollower::Subscription on_reorganisation_;
    std::optional<Address> registrar_;
    TimePoint registrar_due_{};
    /// The first block that is not among `final_`.
    std::uint64_t next_;
    Names final_;
    /// Of blocks that are not final.
    Names recent_;
    struct Retry {
        TimePoint at;
        std::chrono::steady_clock::duration next{};
    };
    /// Names without a usable record.
    std::map<Bytes32, Retry> retries_;
    /// Up to which block all was read.
    std::optional<Bytes32> read_head_;
    std::shared_ptr<const List> providers_ = std::make_shared<const List>();
    bool complete_ = false;
    bool failing_ = false;
    bool full_ = false;
    bool changes_failing_ = false;
    /// Changes when everything is read anew.
    std::uint64_t generation_ = 0;
};

}  // namespace decloud::registry
