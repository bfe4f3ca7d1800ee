#pragma once

#include "node.hpp"

#include <decloud/base/json.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/payments/ledger.hpp>

#include <map>
#include <string>
#include <vector>

namespace decloud::node {

/// What is served, or being served, and not on the final chain, in one asset: per channel, per
/// identity, in all. The provider loses it if nothing of it is ever settled.
struct ExposureReport {
    struct Channel {
        std::string account;
        std::string identity;
        Amount amount;
    };
    /// Those that owe something, the largest first.
    std::vector<Channel> channels;
    std::map<std::string, Amount> identities;
    Amount node;
    /// Of `node`: what is not claimed any more, as the channel has ended, or is ending and a row
    /// costs more than half of it.
    Amount written_off;
};
[[nodiscard]] ExposureReport measure_exposure(
    const payments::Ledger& ledger, const AssetId& asset, Amount row_cost);

/// The bounds as JSON: `channel`, `identity`, `node`, in the asset's smallest unit.
[[nodiscard]] json::Object exposure_limits_json(const ExposureLimits& limits);
/// For the operator: the report beside its bounds; of channels and identities the largest thousand.
[[nodiscard]] json::Object exposure_json(const ExposureReport& report,
    const ExposureLimits& limits,
    const AssetId& asset,
    Amount row_cost);

/// The gauges of bounds and largest amounts. Single threaded; the registry outlives it.
class ExposureGauges {
  public:
    ExposureGauges(metrics::Registry& registry, const ExposureLimits& limits);
    /// Sets the largest amounts.
    void set(const ExposureReport& report);

  private:
    metrics::Gauge& largest_channel_;
    metrics::Gauge& largest_identity_;
    metrics::Gauge& written_off_;
};

}  // namespace decloud::node
