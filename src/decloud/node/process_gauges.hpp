#pragma once

#include <decloud/base/metrics.hpp>
#include <decloud/chain/head_follower.hpp>

#include <functional>

namespace decloud::node {

/// What every process of decloud says about itself: Prometheus' standard `process_…` metrics, its
/// build, and how it sees the chain. Single threaded; the registry outlives it.
class ProcessGauges {
  public:
    /// `chain_status` is asked at each `set`.
    ProcessGauges(metrics::Registry& registry, std::function<chain::ChainStatus()> chain_status);
    /// Brings them up to date. What cannot be read of /proc stays as it was.
    void set();

  private:
    std::function<chain::ChainStatus()> chain_status_;
    metrics::Counter& cpu_seconds_;
    metrics::Gauge& resident_bytes_;
    metrics::Gauge& open_files_;
    metrics::Gauge& chain_ready_;
    metrics::Gauge& chain_head_;
    metrics::Gauge& chain_finalized_;
    metrics::Gauge& chain_head_age_;
    double counted_cpu_seconds_ = 0;
};

}  // namespace decloud::node
