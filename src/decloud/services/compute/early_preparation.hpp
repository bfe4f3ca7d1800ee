#pragma once

#include "deployments.hpp"

#include <decloud/async/task_group.hpp>

#include <deque>
#include <utility>

namespace decloud::services {

/// Makes deployments ready when they come, so that their first call finds them so: one at a time,
/// in their order. Single threaded.
class EarlyPreparation {
  public:
    /// How many may wait; the first call of any more makes them ready.
    static constexpr std::size_t kMostWaiting = 64;

    /// `deployments` outlives it.
    EarlyPreparation(async::Executor executor, Deployments& deployments)
        : deployments_(deployments), tasks_(std::move(executor)) {}

    /// Never waits.
    void add(multiformats::Cid cid);
    /// Takes no more, and waits for the one that is being made ready. Before destruction.
    [[nodiscard]] async::Task<void> stop();

  private:
    [[nodiscard]] async::Task<void> work();

    Deployments& deployments_;
    async::TaskGroup tasks_;
    std::deque<multiformats::Cid> waiting_;
    bool working_ = false;
    bool stopped_ = false;
};

}  // namespace decloud::services
