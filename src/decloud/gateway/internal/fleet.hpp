#pragma once

#include "balancer.hpp"
#include "offers.hpp"
#include "retry_budget.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace decloud::gateway::internal {

/// How providers' health is asked for.
struct FleetSettings {
    /// Time between two questions, and how long an answer may take: two in a row that fail, and a
    /// provider is left out, within three seconds.
    std::chrono::steady_clock::duration probe_interval = std::chrono::milliseconds(750);
    std::chrono::steady_clock::duration probe_timeout = std::chrono::milliseconds(750);
    /// One that stays left out is asked after twice as long each time, up to this; shorter than
    /// `BalancerSettings::rest`, after which it would be tried by calls.
    std::chrono::steady_clock::duration longest_probe_pause = std::chrono::seconds(24);
    /// Providers that were not used for this long are not asked.
    std::chrono::steady_clock::duration interest = std::chrono::seconds(60);
    std::size_t max_probed = 256;
    OffersSettings offers{};
    BalancerSettings balancer{};
};

/// The providers among which a gateway chooses: who runs what, how they do, and how often a request
/// may be tried again. Single threaded.
class Fleet {
  public:
    /// `reputation` may be null; it outlives this.
    Fleet(async::Executor executor,
        Offers::Providers providers,
        Offers::Ask ask,
        const protocol::ReputationView* reputation,
        FleetSettings settings = {});
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    [[nodiscard]] Offers& offers() { return offers_; }
    [[nodiscard]] Balancer& balancer() { return balancer_; }
    [[nodiscard]] RetryBudget& budget() { return budget_; }
    /// What the balancer looks at.
    [[nodiscard]] Candidate candidate(const Offer& offer) const;

    [[nodiscard]] async::Task<void> stop();

  private:
    /// One at a time for each provider.
    struct Probe {
        bool running = false;
        std::chrono::steady_clock::duration pause{};
        std::chrono::steady_clock::time_point due{};
    };

    [[nodiscard]] async::Task<void> watch();
    [[nodiscard]] async::Task<void> probe(std::shared_ptr<const registry::Provider> provider);
    void note(const std::string& name, bool ready);
    [[nodiscard]] async::Task<Result<bool>> is_ready(
        std::shared_ptr<const registry::Provider> provider);

    async::Executor executor_;
    Offers::Ask ask_;
    const protocol::ReputationView* reputation_;
    FleetSettings settings_;
    Balancer balancer_;
    RetryBudget budget_;
    /// By the provider's name.
    std::map<std::string, Probe> probes_;
    Offers offers_;
    async::TaskGroup tasks_;
};

}  // namespace decloud::gateway::internal
